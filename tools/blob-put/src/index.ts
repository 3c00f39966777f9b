/**
 * blob-put: writes the images of a stream to a place.
 *
 * @module
 */
import { PassThrough } from 'node:stream'
import { ToolError } from '@pipelayer/errors'
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

/** True if stdout gets the bytes of an archive in place of records. */
export function writesBytes({ place, dryRun }: Pick<BlobPutOptions, 'place' | 'dryRun'>): boolean {
  return !dryRun && place !== undefined && /^(?:docker|oci)-archive:-(?::|$)/.test(place)
}

/**
 * Puts images into an archive on stdout, and yields its bytes in place of records.
 *
 * @throws ToolError as {@link blobPut}; `IMAGES_FAILED` when some of several images are left out of an archive that is
 * whole
 */
export async function* blobPutBytes(
  records: AsyncIterable<AnyRecord>,
  options: BlobPutOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = new PassThrough({ highWaterMark: 1024 * 1024 })
  const stdout = (chunk: Buffer): Promise<void> =>
    new Promise((resolve, reject) => bytes.write(chunk, error => (error ? reject(error) : resolve())))
  const run = async (): Promise<readonly string[]> => {
    try {
      const failures = await putAll(blobPut(records, { ...options, run: { ...options.run, stdout } }))
      bytes.end()
      return failures
    } catch (error) {
      bytes.destroy(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }
  const running = run()
  // The reader of the bytes gets the same failure.
  running.catch(() => undefined)
  yield* bytes
  const [first, ...others] = await running
  if (first === undefined) return
  const count = others.length === 0 ? 'an image is' : `${others.length + 1} images are`
  throw new ToolError('IMAGES_FAILED', `${count} not in the archive, one because: ${first}`)
}

/** Returns why images failed. */
async function putAll(records: AsyncIterable<AnyRecord>): Promise<readonly string[]> {
  const failures: string[] = []
  for await (const { type, message } of records) if (type === 'failed') failures.push(String(message))
  return failures
}
