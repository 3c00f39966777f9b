import type { EntryFields, IdMap } from '@pipelayer/records'
import type { Warn, XattrForm } from '@pipelayer/rootfs'

/** How a change set is read from disk. */
export interface DiffOptions {
  /** For trees on disk owned by mapped ids: translates them to those of the image. */
  readonly idMap?: IdMap
  /** Every xattr but overlayfs's own, not only `user.*` and `security.capability`. */
  readonly allXattrs?: boolean
  readonly onWarning?: Warn
}

/** An overlay upper directory and the chain below it. Paths are absolute. */
export interface OverlayDirs {
  readonly upper: string
  /** Nearest first. Without it nothing is known of what lies below: the upper's word is taken for every whiteout. */
  readonly lowers?: readonly string[]
  readonly xattrs?: XattrForm
}

/** Gives the bytes of files that stand in blobs. */
export interface ContentSource {
  /** Exactly as many bytes as the entry says; they are proven only by `finish`. Nothing is kept of a chunk. */
  read(entry: EntryFields): AsyncIterable<Buffer>
  /** Called once, after the last file: throws where a blob is not what its digest says. */
  finish(): Promise<void>
}
