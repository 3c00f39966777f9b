import type { ContentSource } from '@pipelayer/change-set'
import type { Engine } from '@pipelayer/compress'
import type { Digest } from '@pipelayer/digest'

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

export interface CompressOptions {
  readonly format: 'gzip' | 'zstd' | 'none'
  readonly level?: number | undefined
  /** See `Engine` of the compress package. */
  readonly engine?: Engine | undefined
}

export interface PackOptions {
  /** For entries with `content`; without it they are refused. */
  readonly contents?: ContentSource
  /** Real paths of folders: a `source` that lies in none of them, wherever links lead, is refused. Without it any file is read. */
  readonly sourceRoots?: readonly string[]
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
