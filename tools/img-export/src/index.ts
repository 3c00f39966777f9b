/**
 * img-export: writes images of the store as an archive, or only those of their blobs that another store lacks.
 *
 * @module
 */
import { type ArchiveEntry, ArchiveWriter, entryOf } from '@pipelayer/archives'
import { ToolError } from '@pipelayer/errors'
import { isRoot, type Part, PartsInStream, putImage, Uploads } from '@pipelayer/image-streams'
import { bare, type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import type { PlaceWriter } from '@pipelayer/places'
import type { AnyRecord, ManifestRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { Store } from '@pipelayer/store'
import { Missing } from './missing.js'

export interface ImgExportOptions {
  /** The folder of the store that has the blobs. */
  readonly store: string
  /** Further names of the one image of the stream. */
  readonly additionalTags?: readonly string[]
}

/**
 * Yields the bytes of an archive: the blobs of each image when its root record comes, the index last. Blobs that the
 * reader has already, according to `have` and `want` records, are left out; manifests never are.
 *
 * Blobs are read from the store alone, by their digest: records may come from another machine, so their paths are not
 * trusted. Memory: some hundred bytes for each blob.
 *
 * @throws ToolError `IMAGE_MISSING`, `IMAGE_INCOMPLETE`, `BLOB_MISSING`, `CONFIG_EDITED`, `DIGEST_MISMATCH` for a blob
 * that is damaged or a reference that pins another digest: there is no index then; `IMAGES_FAILED` when some of several
 * images are left out of an archive that is whole; `TAG_AMBIGUOUS` for further names of several images; of status 2 for
 * such a name that is none
 */
export async function* imgExport(
  records: AsyncIterable<AnyRecord>,
  options: ImgExportOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const task = new Export({ ...options, names: namesOf(options) }, await ArchiveWriter.create())
  const written = task.run(records)
  // A failure also breaks the archive off, so that it is thrown to the reader of the bytes.
  written.catch(() => undefined)
  yield* task.archive.bytes
  await written
  task.confess()
}

function namesOf({ additionalTags = [] }: ImgExportOptions): readonly string[] {
  try {
    return additionalTags.map(tag => formatReference(withDefaultTag(parseNormalized(tag))))
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

class Export {
  readonly archive: ArchiveWriter
  readonly #root: string
  readonly #names: readonly string[]
  #opened: Store | undefined
  readonly #parts = new PartsInStream()
  readonly #missing = new Missing()
  readonly #failures: ToolError[] = []
  readonly #images: ArchiveEntry[] = []
  /** An image has got the further names. */
  #isNamed = false

  constructor(
    { store, names }: { readonly store: string; readonly names: readonly string[] },
    archive: ArchiveWriter,
  ) {
    this.#root = store
    this.#names = names
    this.archive = archive
  }

  /** Writes the archive. @throws ToolError if it would hold no image, or a blob is not what it should be */
  async run(records: AsyncIterable<AnyRecord>): Promise<void> {
    try {
      await this.archive.begin()
      for await (const record of records) await this.#take(record)
      this.#check()
      await this.archive.end(this.#images)
    } catch (error) {
      this.archive.fail(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  async #take(record: AnyRecord): Promise<void> {
    if (this.#missing.add(record)) return
    if (record.type === 'failed') this.#failures.push(new ToolError('IMAGES_FAILED', String(record.message)))
    this.#parts.add(record)
    if (!isRoot(record)) return
    const put = await this.#plan(record)
    if (put === undefined) return
    const names = this.#namesFor(record)
    for (const part of [...this.#proof(record), ...put])
      await this.archive.blob(part, () => this.#store().openBlob(part.digest), this.#missing.offset(part))
    this.#images.push(...names.map(name => entryOf(bare(record), name)))
  }

  // What refers to an image has no further names, and does not count as a second image.
  #namesFor({ reference, subject }: ManifestRecord): readonly (string | undefined)[] {
    if (this.#names.length === 0 || subject !== undefined) return [reference]
    if (this.#isNamed)
      throw new ToolError(
        'TAG_AMBIGUOUS',
        `cannot name a second image ${this.#names.join(', ')}: names of several images come with their records`,
      )
    this.#isNamed = true
    return [...new Set([...(reference === undefined ? [] : [reference]), ...this.#names])]
  }

  #check(): void {
    const [failure] = this.#failures
    const [open] = this.#parts.open()
    if (open !== undefined) {
      const why = 'no root manifest came for it; is manifest-gen missing?'
      throw new ToolError('IMAGE_INCOMPLETE', `cannot export image ${JSON.stringify(open)}: ${why}`)
    }
    if (this.#images.length > 0) return
    throw failure ?? new ToolError('IMAGE_MISSING', 'there is nothing to export: no image came')
  }

  /** Throws at the end if some images were left out. @throws ToolError `IMAGES_FAILED` */
  confess(): void {
    const [first] = this.#failures
    if (first === undefined) return
    const count = `${this.#failures.length} of ${this.#failures.length + this.#images.length} images`
    throw new ToolError('IMAGES_FAILED', `${count} are not in the archive, one because: ${first.message}`)
  }

  // If one image cannot be exported, the others still are.
  async #plan(root: ManifestRecord): Promise<readonly Part[] | undefined> {
    const image = this.#parts.take(root.image)
    try {
      this.#store().checkName(root.reference, root.digest)
      const traits = { isLocal: true, isStore: false, isStaged: false, isSerial: true }
      const place = { traits, text: 'the archive', write: this.#reader() }
      const source = { opener: (part: Part) => this.#opener(part) }
      const put = await putImage({ root, image, source, place, dryRun: true, uploads: new Uploads() })
      return 'put' in put ? put.put : []
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      this.#failures.push(error)
      return undefined
    }
  }

  // The indexes that prove a pinned name: the reader of the archive finds in them the image that has the name.
  #proof({ reference = '', digest }: ManifestRecord): Descriptor[] {
    const proof = this.#store().proofOf(reference, digest) ?? []
    return proof.map(index => ({
      mediaType: MEDIA_TYPES.ociIndex,
      digest: index,
      size: this.#store().blobSize(index) ?? 0,
    }))
  }

  // Stands for the reader of the archive while images are planned: it knows which blobs that one has.
  #reader(): PlaceWriter {
    const has = async (descriptor: Descriptor): Promise<boolean> => this.#missing.has(descriptor)
    const refuse = (): never => {
      throw new Error('nothing is put while an export is planned')
    }
    return { hasBlob: has, hasManifest: has, putBlob: refuse, putManifest: refuse, publish: refuse }
  }

  // The store is opened when the first image has come, so that errors of the input are reported first.
  #store(): Store {
    this.#opened ??= Store.open(this.#root, { create: false })
    return this.#opened
  }

  // Blobs are looked for before anything is written, so that the archive does not break in the middle of an image.
  #opener({ digest, size }: Part): () => AsyncIterable<Buffer> {
    if (this.#store().hasBlob(digest, size)) return () => this.#store().openBlob(digest)
    const why = 'it is not in the store; img-pull brings it there'
    throw new ToolError('BLOB_MISSING', `cannot export blob ${digest}: ${why}`)
  }
}
