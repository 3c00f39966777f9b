/**
 * The options for packing layers.
 *
 * @module
 */
import type { CompressOptions, PackOptions } from '@pipelayer/packing'
import type { Store } from '@pipelayer/store'

export interface LayerPackOptions {
  readonly store: Store
  readonly compress: CompressOptions
  readonly workers?: number
  /**
   * Accept changes that do not match their `layer-end`, because a filter has altered them. Such layers never enter the
   * cache.
   */
  readonly filtered?: boolean
  /** Real paths of the folders in which files named by records may lie. Without it, they may lie anywhere. */
  readonly sourceRoots?: readonly string[]
  readonly mtimeNs?: boolean
  readonly family?: 'oci' | 'docker'
  /** Seconds since 1970. */
  readonly sourceDateEpoch?: number
  readonly onWarning?: (message: string, code: string) => void
  readonly signal?: AbortSignal
}

/** The same options for the package that packs. */
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
