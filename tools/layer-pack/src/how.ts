/**
 * How layers are packed.
 *
 * @module
 */
import type { CompressOptions, PackOptions } from '@pipelayer/packing'
import type { Store } from '@pipelayer/store'

export interface LayerPackOptions {
  readonly store: Store
  readonly compress: CompressOptions
  readonly workers?: number
  /** Take changes that do not match their `layer-end`, as a filter leaves them. They never enter the cache. */
  readonly filtered?: boolean
  /** Real paths of the folders that files named by records may lie in; any, unless said. */
  readonly sourceRoots?: readonly string[]
  readonly mtimeNs?: boolean
  readonly family?: 'oci' | 'docker'
  /** Seconds since 1970. */
  readonly sourceDateEpoch?: number
  readonly onWarning?: (message: string, code: string) => void
  readonly signal?: AbortSignal
}

/** The same, for the package that packs. */
export function howOf(options: LayerPackOptions): PackOptions {
  const { compress, workers, sourceRoots, mtimeNs, family, sourceDateEpoch, signal } = options
  return {
    compress,
    ...(workers === undefined ? {} : { workers }),
    ...(sourceRoots === undefined ? {} : { sourceRoots }),
    ...(mtimeNs === undefined ? {} : { mtimeNs }),
    ...(family === undefined ? {} : { family }),
    ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }),
    ...(signal === undefined ? {} : { signal }),
  }
}
