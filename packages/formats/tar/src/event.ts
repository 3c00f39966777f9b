/**
 * The events of a parser, and the options that change them.
 *
 * @module
 */
import type { ReadEntry } from './entry.js'

export interface TarParserOptions {
  /**
   * How the holes of a sparse file appear: as `data` of zeros (default), or each as one `hole`. A reader needs the
   * latter if its time must not grow with a size that a hostile archive states.
   */
  readonly holes?: 'zeros' | 'events'
  /**
   * Give every byte of the archive: `raw` events for headers, padding and what follows the end, `data` events for
   * stored content, with sparse files not expanded. The bytes of both, in order, are the archive.
   */
  readonly raw?: boolean
}

/**
 * The content of an archive, in order. Each `entry` is followed by its content and one `end`.
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
