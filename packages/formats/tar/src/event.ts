/**
 * What a parser tells of an archive, and how it may be told.
 *
 * @module
 */
import type { ReadEntry } from './entry.js'

export interface TarParserOptions {
  /**
   * How the holes of a sparse file are told: as `data` of zeros (default), or each as one `hole`, which a reader needs
   * that must not spend time in proportion to a size that a hostile archive states.
   */
  readonly holes?: 'zeros' | 'events'
  /**
   * Tell every byte: `raw` for headers, padding and what follows the end, `data` for stored content, sparse files not
   * expanded. Their bytes in order are the archive.
   */
  readonly raw?: boolean
}

/**
 * What is in an archive, in order. Each `entry` is followed by its content and one `end`.
 *
 * Chunks are views of the input, or of shared zeros: not to be written to, and to be copied if kept.
 */
export type TarEvent =
  /** `dataOffset`: where its stored content begins in the archive, in bytes. */
  | { readonly type: 'entry'; readonly entry: ReadEntry; readonly dataOffset: number }
  | { readonly type: 'data'; readonly bytes: Buffer }
  | { readonly type: 'hole'; readonly size: number }
  | { readonly type: 'end' }
  | { readonly type: 'global'; readonly pax: ReadonlyMap<string, string> }
  | { readonly type: 'raw'; readonly bytes: Buffer }
