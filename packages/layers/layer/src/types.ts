/**
 * What the functions of this package take and give.
 *
 * @module
 */
import type { Engine } from '@pipelayer/compress'
import type { Digest } from '@pipelayer/digest'
import type { EntryFields, IdMap } from '@pipelayer/records'
import type { FileHand } from './handed-files.js'
import type { Selection } from './selection.js'

/** Prefix of overlayfs's private xattrs: `trusted.overlay.` or, under `userxattr`, `user.overlay.`. */
export type XattrForm = 'trusted' | 'user'

/** Told what had to be left out; one line each. */
export type Warn = (message: string) => void

/** A blob that is whole. */
export interface StoredLayer {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly path?: string
}

/** Where the bytes of a blob go. `store.blobWriter()` is one. */
export interface BlobSink {
  /** Nothing of the chunk may be kept: its memory is used again. */
  write(chunk: Buffer): void | Promise<void>
  /** Ends the blob and makes it visible under its digest. */
  commit(): StoredLayer | Promise<StoredLayer>
  /** Throws away what was written. Called on every failure. */
  abort(): void | Promise<void>
}

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

/** How a layer is unpacked. */
export interface ApplyOptions {
  /** Translates the ids of the image to those on disk; an id that it lacks fails with `ID_UNMAPPED`. */
  readonly idMap?: IdMap
  /** Ids on disk of all that is unpacked, in place of those that the tar says. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /**
   * What a path is that comes twice: in a layer an error unless both are the same (default); in an archive that a user
   * made by `tar --append` the last one counts.
   */
  readonly repeated?: 'same' | 'last'
  /** What names that begin with `.wh.` are: whiteouts, as in a layer (default); in an archive of a user's, files as any. */
  readonly whiteouts?: 'applied' | 'files'
  /** Which entries; all of them unless given. The same one for all layers of an image. */
  readonly selection?: Selection
  /** Entries that the tar may have, chosen or not; more fail with `TOO_MANY_ENTRIES`. */
  readonly maxEntries?: number
  /** Of the `OpenTar` that is unpacked: writes small files in its thread. */
  readonly hand?: FileHand | undefined
  readonly onWarning?: Warn
  readonly signal?: AbortSignal
}

/** The overlay form: whiteouts become 0:0 devices, opaque directories get an xattr. */
export interface ApplyOverlayOptions extends ApplyOptions {
  /** Unpacked layers below this one, absolute, nearest first. */
  readonly lowers?: readonly string[]
  readonly xattrs?: XattrForm
}

/** What was unpacked, and what the caller's rights did not allow. */
export interface ApplyResult {
  /** Entries of the tar. */
  readonly entries: number
  /** Devices that could not be made. */
  readonly skippedDevices: number
  /** Xattrs that could not be set, and overlayfs's private ones, which are never taken from a layer. */
  readonly skippedXattrs: number
  /** Entries that belong to the caller instead of to their owner. */
  readonly squashedOwners: number
}

export interface CompressOptions {
  readonly format: 'gzip' | 'zstd' | 'none'
  readonly level?: number | undefined
  /** See `Engine` of the compress package. */
  readonly engine?: Engine | undefined
}

/** Gives the bytes of files that stand in blobs. */
export interface ContentSource {
  /** Exactly as many bytes as the entry says; they are proven only by `finish`. Nothing is kept of a chunk. */
  read(entry: EntryFields): AsyncIterable<Buffer>
  /** Called once, after the last file: throws where a blob is not what its digest says. */
  finish(): Promise<void>
}

export interface PackOptions {
  /** For entries with `content`; without it they are refused. */
  readonly contents?: ContentSource
  /** `listed`: take changes in any order, their parents being in layers below. */
  readonly order?: 'listed'
  readonly compress?: CompressOptions
  /** Threads that compress. The bytes do not depend on it. */
  readonly workers?: number
  /** Seconds since 1970: later times become this one. */
  readonly sourceDateEpoch?: number
  /** Keep the nanoseconds of times; else they are cut to seconds. */
  readonly mtimeNs?: boolean
  readonly family?: 'oci' | 'docker'
  readonly signal?: AbortSignal
}

/** A layer that lies in its sink. */
export interface PackedLayer {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes of the blob. */
  readonly size: number
  readonly diffID: Digest
  readonly path?: string
  /** Compressor and version. */
  readonly engine: string
  /** Entries of the tar. */
  readonly entries: number
}
