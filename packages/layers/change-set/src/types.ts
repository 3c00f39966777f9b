import type { EntryFields, IdMap } from '@pipelayer/records'
import type { Warn, XattrForm } from '@pipelayer/rootfs'

/** How a change set is read from disk. */
export interface DiffOptions {
  /** For trees on disk whose owners are mapped ids: translates these to the ids of the image. */
  readonly idMap?: IdMap
  /** Include every xattr except overlayfs's own, not only `user.*` and `security.capability`. */
  readonly allXattrs?: boolean
  readonly onWarning?: Warn
}

/** An overlay upper directory and the chain below it. Paths are absolute. */
export interface OverlayDirs {
  readonly upper: string
  /**
   * The lower directories, nearest first. Without them it is unknown what lies below, and every whiteout of the upper
   * is taken as it is.
   */
  readonly lowers?: readonly string[]
  readonly xattrs?: XattrForm
}

/** Gives the bytes of files that lie in blobs. */
export interface ContentSource {
  /**
   * Yields exactly as many bytes as the entry states. They are checked against the digest only by `finish`. The
   * consumer must not keep a chunk.
   */
  read(entry: EntryFields): AsyncIterable<Buffer>
  /** Called once, after the last file. Throws where a blob does not match its digest. */
  finish(): Promise<void>
}
