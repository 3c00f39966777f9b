import type { Digest } from '@pipelayer/digest'
import type { Descriptor, ImageConfig } from '@pipelayer/oci'

/** An image to build on, its blobs in the store. */
export interface BaseImage {
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly BaseLayer[]
  /** The annotations of its manifest. */
  readonly annotations: Readonly<Record<string, string>>
  /**
   * To be called when a layer could not be unpacked: reads all layers of the image, and fetches the damaged ones anew.
   *
   * @returns false if no layer is damaged
   * @throws {ToolError} `BLOB_DAMAGED` if no other place is known to have the blob; those of the registry
   */
  mend(): Promise<boolean>
}

export interface BaseLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
  readonly chainID: Digest
  /** The path of the blob in the store. */
  readonly path: string
  readonly from?: readonly string[]
}
