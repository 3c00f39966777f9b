import type { Descriptor } from '@pipelayer/oci'
import { type PlacedManifest, type PlaceReader, readDocument } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'
import type { ImageFetcher } from './blob-fetcher.js'

/** Where content is kept: the path of its file, or the bytes of a document in base64. */
export interface Kept {
  readonly path?: string
  readonly data?: string
}

/** Decides where the parts of images are kept. */
export interface Keeper {
  /** Whether the content that it keeps lies in files. */
  readonly hasPaths: boolean
  /** Brings a blob into the store, or leaves it where it is. */
  blob(descriptor: Descriptor, from: PlaceReader): Promise<Kept>
  /** The checked content of a small blob. */
  document(descriptor: Descriptor, from: PlaceReader): Promise<Buffer>
  manifest(found: PlacedManifest): Kept
  /** Gives up the transfers that run. */
  stop(): Promise<void>
}

/** Keeps everything in the store. */
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

/** Leaves blobs where they are. Manifests travel in their records, because an index may be one that no place has. */
export const nothingKept: Keeper = {
  hasPaths: false,
  blob: async () => ({}),
  document: (descriptor, from) => readDocument(descriptor, () => from.blob(descriptor)),
  manifest: ({ bytes }) => ({ data: bytes.toString('base64') }),
  stop: async () => undefined,
}
