import { isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import {
  Archives,
  Connections,
  openPlace,
  type Place,
  type PlaceOptions,
  type Published,
} from '@pipelayer/places'
import type { AnyRecord, ManifestRecord, PlanRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { applyLayerOverlay } from '@pipelayer/unpacking'
import { PutAhead } from './ahead.js'
import { type Closing, named } from './naming.js'
import { type ClosedImage, isRoot, PartsInStream } from './parts.js'
import { type Planned, type Put, putImage } from './put.js'
import { sideBySide } from './side-by-side.js'
import { BlobSource } from './source.js'
import { isArchive, isOnlyRead, isSerial, takesMany, targetOf } from './target.js'
import { Uploads } from './uploads.js'

export interface PutImagesOptions extends PlaceOptions {
  /** The name of the program, for the records that it makes. */
  readonly tool: string
  /** The place to put images to: see `target.ts`. Without it, each image goes where its reference says. */
  readonly place?: string | undefined
  /** Put nothing, and say what would be put. */
  readonly dryRun?: boolean
}

/** How many images are put at a time. */
const PARALLEL = 8
/** The errors of a damaged blob, whether it is damaged here or at the registry. */
const WRONG_BYTES = new Set(['DIGEST_INVALID', 'DIGEST_MISMATCH', 'SIZE_MISMATCH'])
/** Failures of a disk, which every other image would meet as well. */
const FATAL = new Set(['EACCES', 'EDQUOT', 'EIO', 'ENOSPC', 'EROFS'])

/**
 * Puts images to a place, several at a time, and passes the records on in their order; a root record then says where
 * its image was put.
 *
 * A root record is held back. Its image is published when the stream has ended well, or, if each image gets a name of
 * its own, as soon as the next image shows that there are several. If one of several images fails, the others are put
 * all the same.
 *
 * ```ts
 * const options = { tool: 'mine', place: 'oci:out', store: '/srv/store' }
 * for await (const record of putImages(pulled, options)) console.log(record.type)
 * ```
 *
 * @throws ToolError of status 2, before a record is read, for a place that cannot be; `IMAGE_INCOMPLETE`,
 * `IMAGE_MISSING`, `PLACE_TAKEN`, `PLACE_MISSING`; those of {@link putImage}
 */
export async function* putImages(
  records: AsyncIterable<AnyRecord>,
  options: PutImagesOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  checkPlace(options)
  const connections = new Connections()
  const archives = new Archives()
  const put = new StreamPut({
    ...options,
    registries: { ...options.registries, connections },
    run: { unpack, ...options.run, archives },
  })
  try {
    yield* named(checked(put, records))
  } finally {
    await put.close()
    await archives.close()
    await connections.close()
  }
}

async function unpack(tar: AsyncIterable<Buffer>, dir: string, lowers: readonly string[]): Promise<void> {
  await applyLayerOverlay(tar, dir, { lowers })
}

// The stream is checked before the last names are written: those of an archive stand for all of it.
async function* checked(
  put: StreamPut,
  records: AsyncIterable<AnyRecord>,
): AsyncGenerator<Closing, void, undefined> {
  yield* put.run(records)
  put.check()
}

function checkPlace(options: PutImagesOptions): void {
  const { place, run } = options
  const additionalTags = run?.additionalTags ?? []
  if (additionalTags.length > 0 && (takesMany(place) || !isArchive(place))) {
    const why = 'only an archive or an engine that is given with a name takes further ones'
    throw new ToolError('PLACE_INVALID', `cannot put ${additionalTags.join(', ')}: ${why}`, { status: 2 })
  }
  if (place === undefined) return
  try {
    if (isOnlyRead(place)) {
      const why = '@ chooses one of the images that are there; give a name'
      throw new ToolError('PLACE_INVALID', `cannot write to ${place}: ${why}`)
    }
    const { readOnly } = takesMany(place) ? {} : openPlace(place, options)
    if (readOnly !== undefined) throw new ToolError('PLACE_INVALID', readOnly)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

/** A record that is passed on, or an image that its root record has closed. */
type Item = { readonly record: AnyRecord } | Job

interface Job {
  readonly root: ManifestRecord
  readonly image: ClosedImage
  /** It is the only image of the stream, so its failure is the failure of the whole run. */
  readonly isAlone: boolean
}

class StreamPut {
  readonly #options: PutImagesOptions
  readonly #source: BlobSource
  readonly #parts = new PartsInStream()
  /** The digest of the image that goes to a target, by target. */
  readonly #taken = new Map<string, string>()
  readonly #uploads = new Uploads()
  readonly #ahead: PutAhead | undefined
  #roots = 0
  /**
   * The last image that refers to another one. Registries without the referrers API keep such images in a list, which
   * must not be edited by two at a time.
   */
  #referrer: Promise<unknown> = Promise.resolve()

  constructor(options: PutImagesOptions) {
    this.#options = options
    this.#source = new BlobSource(options)
    this.#ahead = this.#putAhead()
  }

  run(records: AsyncIterable<AnyRecord>): AsyncGenerator<Closing, void, undefined> {
    const isLight = (item: Item): boolean => 'record' in item
    // A plan says for each blob whether it is put for the first time, which depends on the order of the images. So does
    // what an archive holds.
    const count = this.#options.dryRun || isSerial(this.#options.place) ? 1 : PARALLEL
    return sideBySide(this.#items(records), { count, isLight }, item =>
      'record' in item ? passed(item) : item.isAlone ? this.#put(item) : this.#putOneOfMany(item),
    )
  }

  /** @throws ToolError when the place does not exist */
  check(): void {
    const [open] = this.#parts.open()
    if (open !== undefined) {
      const why = 'no root manifest came for it; is manifest-gen missing?'
      throw new ToolError('IMAGE_INCOMPLETE', `cannot put image ${JSON.stringify(open)}: ${why}`)
    }
    if (this.#roots === 0 && this.#parts.failures === 0) {
      throw new ToolError('IMAGE_MISSING', 'there is nothing to put: no image came')
    }
  }

  async close(): Promise<void> {
    await this.#ahead?.close()
    await this.#ahead?.place.close()
    await this.#source.close()
  }

  // Only for registries. At other places a blob is a file, and copying it takes next to no time.
  #putAhead(): PutAhead | undefined {
    const { place: text, dryRun } = this.#options
    if (text === undefined || dryRun || takesMany(text)) return undefined
    const place = openPlace(text, this.#options)
    if (place.traits.isLocal || place.traits.isSerial) return undefined
    return new PutAhead({ place, source: this.#source, uploads: this.#uploads })
  }

  #items(records: AsyncIterable<AnyRecord>): AsyncGenerator<Item, void, undefined> {
    return takesMany(this.#options.place) ? this.#itemsOfMany(records) : this.#itemsOfOneName(records)
  }

  async *#itemsOfMany(records: AsyncIterable<AnyRecord>): AsyncGenerator<Item, void, undefined> {
    let held: ManifestRecord | undefined
    for await (const record of records) {
      const isPart = this.#take(record)
      if (isPart && held !== undefined) {
        yield this.#job(held, { isAlone: false })
        held = undefined
      }
      if (isRoot(record)) held = record
      else yield { record }
    }
    if (held !== undefined) yield this.#job(held, { isAlone: this.#roots === 1 })
  }

  // Nothing is put before the stream has ended: if it has two images, it would depend on chance which one gets the
  // name.
  async *#itemsOfOneName(records: AsyncIterable<AnyRecord>): AsyncGenerator<Item, void, undefined> {
    const roots: ManifestRecord[] = []
    for await (const record of records) {
      this.#take(record)
      if (!isRoot(record)) {
        yield { record }
        continue
      }
      roots.push(record)
      if (roots.filter(({ subject }) => subject === undefined).length > 1)
        throw this.#ambiguous('a second image came')
    }
    const images = roots.map(root => this.#job(root, { isAlone: roots.length === 1 }))
    this.check()
    if (images.length > 0 && this.#parts.failures > 0)
      throw this.#ambiguous('another image of the stream failed')
    yield* images
  }

  #take(record: AnyRecord): boolean {
    this.#ahead?.add(record)
    if (isRoot(record)) this.#roots++
    return this.#parts.add(record)
  }

  #ambiguous(what: string): ToolError {
    const message = `cannot put an image to ${this.#options.place}: ${what}, and there is one name`
    return new ToolError('PLACE_TAKEN', `${message}; give a place that ends in "/"`)
  }

  #job(root: ManifestRecord, { isAlone }: Pick<Job, 'isAlone'>): Job {
    this.#ahead?.stop()
    return { root, image: this.#parts.take(root.image), isAlone }
  }

  async *#putOneOfMany(job: Job): AsyncGenerator<Closing, void, undefined> {
    const { root } = job
    try {
      yield* this.#put(job)
    } catch (error) {
      if (!(error instanceof ToolError) || FATAL.has(error.code) || this.#options.signal?.aborted) throw error
      const { code, message } = error
      const item = { digest: root.digest, ...(root.reference && { reference: root.reference }) }
      const { tool } = this.#options
      yield { record: { type: 'failed', tool, image: root.image, code, message, item } }
    }
  }

  async *#put({ root, image }: Job): AsyncGenerator<Closing, void, undefined> {
    const text = this.#target(root)
    const known = text === this.#options.place ? this.#ahead?.place : undefined
    const place = known ?? openPlace(text, this.#options)
    try {
      const put = await this.#inTurn(root, () => this.#putTo(place, root, image))
      if ('put' in put) {
        for (const record of planRecords(put, text, this.#options)) yield { record }
        yield { record: root }
      } else yield { record: publishedRecord(root, put), name: put.name }
    } catch (error) {
      throw explained(await this.#mended(error, image), text)
    } finally {
      if (known === undefined) await place.close()
    }
  }

  // A damaged blob of the store counts as missing from now on, so that the next pull or build fetches it again.
  async #mended(error: unknown, { blobs }: ClosedImage): Promise<unknown> {
    if (!(error instanceof ToolError) || !WRONG_BYTES.has(error.code)) return error
    const store = storeIfThere(this.#options.store)
    const damaged: string[] = []
    for (const { digest, size, path } of blobs.values()) {
      if (store === undefined || !isDigest(digest) || path !== store.blobPath(digest)) continue
      if (!(await store.proveBlob({ digest, size }))) damaged.push(digest)
    }
    if (damaged.length === 0) return error
    const message = `${damaged.join(', ')} was damaged in the store, and is set aside: pull or build the image again`
    return new ToolError(error.code, message, { cause: error, status: error.status })
  }

  async #putTo(place: Place, root: ManifestRecord, image: ClosedImage): Promise<Put> {
    const { dryRun } = this.#options
    const uploads = this.#uploads
    const put = await putImage({
      root,
      image,
      source: this.#source,
      place,
      dryRun,
      uploads,
    })
    uploads.add(
      [...image.blobs.values()].map(({ digest }) => digest),
      place.text,
    )
    return put
  }

  #target(root: ManifestRecord): string {
    const { place } = this.#options
    const text = targetOf(place, root)
    const other = this.#taken.get(text)
    // One image under two spellings of its name is no conflict. Images without a name are none either.
    const isUnnamed = root.reference === undefined || text === place
    const isBeside = root.subject !== undefined && !takesMany(place)
    const isFree = isBeside ? text !== place : takesMany(place) && (isUnnamed || other === root.digest)
    if (other !== undefined && !isFree) {
      const why = isBeside
        ? 'it refers to the image that is there, and this place holds one alone'
        : 'its name without the domain is that of another image'
      throw new ToolError('PLACE_TAKEN', `cannot put a second image to ${text}: ${why}`)
    }
    this.#taken.set(text, root.digest)
    return text
  }

  #inTurn<T>({ subject }: ManifestRecord, work: () => Promise<T>): Promise<T> {
    if (subject === undefined) return work()
    const run = this.#referrer.then(work)
    this.#referrer = run.catch(() => undefined)
    return run
  }
}

async function* passed(item: { readonly record: AnyRecord }): AsyncGenerator<Closing, void, undefined> {
  yield item
}

function publishedRecord(root: ManifestRecord, published: Published): AnyRecord {
  const { reference = root.reference } = published
  const from = [...new Set([published.place, ...(root.from ?? [])])]
  const put = published.reference === undefined ? [] : [published.reference]
  const references = [...new Set([...(root.references ?? []), ...put])]
  return {
    ...root,
    ...(reference !== undefined && { reference }),
    ...(references.length > 0 && { references }),
    from,
  }
}

// The records are of type `plan`, not of the type of what is put, so that no tool takes a plan for a part of an image.
function* planRecords(
  { put, there }: Planned,
  place: string,
  { tool }: PutImagesOptions,
): Generator<AnyRecord, void, undefined> {
  const registry = /^docker:\/\/[^/]+\//.exec(place)?.[0]
  const record = (action: PlanRecord['action'], { mediaType, digest, size }: Descriptor): PlanRecord => {
    return { type: 'plan', tool, action, place, mediaType, digest, size }
  }
  for (const descriptor of there) yield record('skip', descriptor)
  for (const part of put) {
    const isNear = registry !== undefined && (part.from ?? []).some(from => from.startsWith(registry))
    yield record(isNear ? 'mount' : 'put', part)
  }
}

function storeIfThere(root: string): Store | undefined {
  try {
    return Store.openIfThere(root)
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function explained(error: unknown, text: string): unknown {
  if (!(error instanceof ToolError) || error.message.includes(text)) return error
  const { code, status } = error
  return new ToolError(code, `cannot put the image to ${text}: ${error.message}`, { cause: error, status })
}
