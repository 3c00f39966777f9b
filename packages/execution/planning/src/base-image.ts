import type { Digest } from '@pipelayer/digest'
import type { Descriptor, ImageConfig } from '@pipelayer/oci'

/** An image to build on, its blobs in the store. */
export interface BaseImage {
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly BaseLayer[]
  /** Of its manifest. */
  readonly annotations: Readonly<Record<string, string>>
  /**
   * For a layer that could not be unpacked: reads all of them, and fetches anew what is damaged.
   *
   * @returns false where nothing was wrong
   * @throws {ToolError} `BLOB_DAMAGED` where nobody else is known to have it; those of the registry
   */
  mend(): Promise<boolean>
}

export interface BaseLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
  readonly chainID: Digest
  /** Of the blob in the store. */
  readonly path: string
  readonly from?: readonly string[]
}
