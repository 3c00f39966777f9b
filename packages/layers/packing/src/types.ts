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

/** Takes the bytes of a blob, as `store.blobWriter()` does. */
export interface BlobSink {
  /** Writes a chunk. The sink must not keep it, since its memory is used again. */
  write(chunk: Buffer): void | Promise<void>
  /** Ends the blob and makes it visible under its digest. */
  commit(): StoredLayer | Promise<StoredLayer>
  /** Throws away the bytes that were written. Called on every failure. */
  abort(): void | Promise<void>
}

export interface CompressOptions {
  readonly format: 'gzip' | 'zstd' | 'none'
  readonly level?: number | undefined
  /** See `Engine` of the compress package. */
  readonly engine?: Engine | undefined
}

export interface PackOptions {
  /** Gives the bytes of entries with `content`; without it such entries are refused. */
  readonly contents?: ContentSource
  /**
   * Real paths of folders. A `source` is refused unless it lies in one of them after symlinks are resolved. Without it
   * any file is read.
   */
  readonly sourceRoots?: readonly string[]
  /** `listed`: accept changes in any order; their parents may be in layers below. */
  readonly order?: 'listed'
  readonly compress?: CompressOptions
  /** Threads that compress. The bytes do not depend on their number. */
  readonly workers?: number
  /** Seconds since 1970: later times become this one. */
  readonly sourceDateEpoch?: number
  /** Keep the nanoseconds of times; else they are cut to seconds. */
  readonly mtimeNs?: boolean
  readonly family?: 'oci' | 'docker'
  readonly signal?: AbortSignal
}

/** A layer that was written to its sink. */
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
