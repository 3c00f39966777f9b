import type { ConfigRecord, LayerRecord, ManifestRecord } from '@pipelayer/records'

/** The records of one image so far. Layers are in the order of the stream: base first. */
export interface ImageParts {
  readonly image: string
  readonly layers: LayerRecord[]
  config?: ConfigRecord
  manifest?: ManifestRecord
  partOf?: string
}
