import type { OpenBlob } from '@pipelayer/layer-blob'

/**
 * The first layer that is merged, counted from 1, base first; or the digest or diffID of the last layer that is kept.
 */
export type Cut = { readonly from: number } | { readonly onto: string }

/** The options of layer-squash. */
export interface LayerSquashOptions {
  /** The position above which layers are merged. */
  readonly cut: Cut
  /** Opens blobs whose record has no path that leads to them. */
  readonly open: OpenBlob
  readonly onWarning?: (message: string) => void
  readonly signal?: AbortSignal
}
