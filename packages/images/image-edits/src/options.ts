import type { ConfigEdits, TriggerEdits } from '@pipelayer/image-documents'
import type { HistoryEntry } from '@pipelayer/oci'
import type { PlaceOptions } from '@pipelayer/places'
import type { LayerRecord } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'

/** A layer that is laid on top of an image. */
export interface AppendedLayer {
  /** Its record; the key of the image is that of the image that it is appended to. */
  readonly record: Omit<LayerRecord, 'image' | 'partOf'>
  /** Fields of its history entry, beside those that the record gives. */
  readonly history?: HistoryEntry
}

/** Two images, as places: the layers of `old` are the lowest of the image, and those of `new` take their place. */
export interface BaseChange {
  readonly old: string
  readonly new: string
}

/** What is changed in each image of a stream. */
export interface ImageEdits {
  readonly config: ConfigEdits & TriggerEdits
  /** Annotations of the manifest. */
  readonly annotations: Readonly<Record<string, string>>
  readonly author?: string | undefined
  /** RFC 3339. */
  readonly created?: string | undefined
  readonly rebase?: BaseChange | undefined
  /** Leave nothing in the history but one entry for each layer, with its time. */
  readonly stripHistory: boolean
  /** Undermost first. */
  readonly append: readonly AppendedLayer[]
}

export interface EditContext {
  /** New documents are written to it. */
  readonly store: Store
  /** How the places of a rebase are opened. */
  readonly places: PlaceOptions
  readonly signal: AbortSignal
  readonly onWarning?: (message: string, code: string) => void
}
