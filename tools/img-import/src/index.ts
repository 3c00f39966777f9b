/**
 * img-import: reads images from an archive into the store.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { type NamedEntry, pinOf } from '@pipelayer/layout'
import { bare } from '@pipelayer/oci'
import type { AnyRecord, FailedRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { ArchiveReader } from './archive-reader.js'
import { type ArchivedImage, imagesIn } from './images.js'
import type { ImgImportOptions } from './options.js'
import { checkWhole, type WholeOptions } from './whole.js'

export type { ImgImportOptions } from './options.js'

const TOOL = 'img-import'

/**
 * Reads the blobs of an archive into the store. Each is checked before it gets its name, and replaces a damaged blob of
 * the store. When the archive has ended well, all images of which every blob is there get their names in one step, and
 * a `reference` record follows for each.
 *
 * If an archive is cut, the blobs that came stay in the store, even the first bytes of a blob. Nothing gets a name, and
 * the next archive may leave those blobs out.
 *
 * @param archive - an OCI layout in a tar; see `archive.ts` of the package image-streams
 * @throws ToolError `ARCHIVE_INCOMPLETE`, `ARCHIVE_INVALID`, `TAR_INVALID`, `TAR_TRUNCATED`, `DIGEST_MISMATCH`,
 * `BLOB_MISSING`, also `DIGEST_MISMATCH` for a name that pins another digest; if one of several images lacks a blob, it
 * is a `failed` record
 */
export async function* imgImport(
  archive: AsyncIterable<Buffer>,
  options: ImgImportOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const store = Store.open(options.store)
  const reader = new ArchiveReader(store, options)
  const images = await namedIn(await reader.read(archive), reader, options)
  const failed = new Map<ArchivedImage, ToolError>()
  for (const image of images) {
    const { warn, verify = false } = options
    const error = await failureOf(image, { store, proven: reader.proven, verify, warn })
    if (error !== undefined && images.length === 1) throw error
    if (error !== undefined) failed.set(image, error)
  }
  store.tagAll(images.filter(image => !failed.has(image)).map(entryOf))
  for (const image of images) {
    const error = failed.get(image)
    yield error === undefined ? referenceOf(image) : failedRecord(image, error)
  }
}

// Blobs of the archive that belong to no image would only fill the store.
async function namedIn(
  index: Buffer,
  { staged }: ArchiveReader,
  options: ImgImportOptions,
): Promise<readonly ArchivedImage[]> {
  let images: readonly ArchivedImage[]
  try {
    images = imagesIn(index, options.tag)
  } catch (error) {
    await staged.publishAll()
    throw error
  }
  // A name may pin an index, of which the archive holds one image. The index is kept, because it proves the name.
  const pinned = images.flatMap(({ name }) => (name === undefined ? [] : (pinOf(name) ?? [])))
  const others = await staged.publishNamed(
    images.map(({ descriptor }) => descriptor),
    pinned,
  )
  if (others > 0)
    options.warn?.(
      `${others} blobs of the archive belong to no image of it: they were left out`,
      'BLOB_UNNAMED',
    )
  return images
}

async function failureOf(
  { descriptor, name }: ArchivedImage,
  options: WholeOptions,
): Promise<ToolError | undefined> {
  try {
    await checkWhole(options, descriptor)
    options.store.checkName(name, descriptor.digest)
    return undefined
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return error
  }
}

function entryOf({ descriptor, name }: ArchivedImage): NamedEntry {
  return { descriptor: { ...bare(descriptor) }, name }
}

// The reference by which img-pull reads the image; an image without a name is named by its digest.
function referenceOf({ descriptor, name }: ArchivedImage): AnyRecord {
  return { type: 'reference', reference: `store:${name ?? descriptor.digest}`, ...bare(descriptor) }
}

function failedRecord({ descriptor, name }: ArchivedImage, { code, message }: ToolError): FailedRecord {
  const item = { digest: descriptor.digest, ...(name !== undefined && { reference: name }) }
  return { type: 'failed', tool: TOOL, code, message, item }
}
