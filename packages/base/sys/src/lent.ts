/**
 * Memory that is used again.
 *
 * @module
 */

/**
 * Bytes in memory that its owner uses again after `release`: a new buffer of 300 KB costs up to half a millisecond of
 * page faults.
 */
export interface Lent {
  readonly bytes: Buffer
  /** To be called once when nobody reads `bytes` any more. */
  release(): void
}
