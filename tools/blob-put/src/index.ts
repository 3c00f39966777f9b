/**
 * blob-put: writes the images of a stream to a place.
 *
 * @module
 */
import { type PutImagesOptions, putImages } from '@pipelayer/image-streams'
import type { AnyRecord } from '@pipelayer/records'

export type BlobPutOptions = Omit<PutImagesOptions, 'tool'>

/** Puts images to a place: see {@link putImages}. */
export async function* blobPut(
  records: AsyncIterable<AnyRecord>,
  options: BlobPutOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  yield* putImages(records, { ...options, tool: 'blob-put' })
}
