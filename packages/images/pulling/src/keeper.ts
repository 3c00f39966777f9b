import type { Descriptor } from '@pipelayer/oci'
import { type PlacedManifest, type PlaceReader, readDocument } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'
import type { ImageFetcher } from './blob-fetcher.js'

/** Where something is kept: its file, or, of a document, its bytes in base64. */
export interface Kept {
  readonly path?: string
  readonly data?: string
}

/** Where the parts of images go. */
export interface Keeper {
  /** What it keeps lies in files. */
  readonly hasPaths: boolean
  /** Brings a blob, or leaves it where it is. */
  blob(descriptor: Descriptor, from: PlaceReader): Promise<Kept>
  /** The content of a small blob, checked. */
  document(descriptor: Descriptor, from: PlaceReader): Promise<Buffer>
  manifest(found: PlacedManifest): Kept
  /** Gives up what runs. */
  stop(): Promise<void>
}

/** Everything goes into the store. */
export function storeKeeper(store: Store, fetcher: ImageFetcher): Keeper {
  return {
    hasPaths: true,
    blob: async (descriptor, from) => ({ path: await fetcher.fetch(descriptor, from) }),
    document: async (descriptor, from) => {
      await fetcher.fetch(descriptor, from)
      return readDocument(descriptor, () => store.openBlob(descriptor.digest))
    },
    manifest: ({ bytes, descriptor }) => ({ path: store.putBytes(bytes, descriptor).path }),
    stop: () => fetcher.stop(),
  }
}

/** Blobs stay where they are; manifests travel in their records: an index may be one that no place has. */
export const nothingKept: Keeper = {
  hasPaths: false,
  blob: async () => ({}),
  document: (descriptor, from) => readDocument(descriptor, () => from.blob(descriptor)),
  manifest: ({ bytes }) => ({ data: bytes.toString('base64') }),
  stop: async () => undefined,
}
