import type { OpenBlob } from '@pipelayer/layer-blob'

/** The first layer that is merged, counted from 1, base first; or the last one that is kept, by digest or diffID. */
export type Cut = { readonly from: number } | { readonly onto: string }

/** What layer-squash is asked for. */
export interface LayerSquashOptions {
  /** Where the layers that become one begin. */
  readonly cut: Cut
  /** Opens blobs whose record has no path that leads to them. */
  readonly open: OpenBlob
  readonly onWarning?: (message: string) => void
  readonly signal?: AbortSignal
}
