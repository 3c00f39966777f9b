/**
 * blob-put: writes the images of a stream to a place.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { BlobSource, isRoot, PartsInStream, type Planned, putImage } from '@pipelayer/images'
import type { Descriptor } from '@pipelayer/oci'
import { openPlace, type PlaceOptions, type Published } from '@pipelayer/places'
import type { AnyRecord, ManifestRecord, PlanRecord } from '@pipelayer/records'
import { takesMany, targetOf } from './target.js'

export interface BlobPutOptions extends PlaceOptions {
  /** Where to: see `target.ts`. Without it, each image goes where its reference says. */
  readonly place?: string | undefined
  /** Put nothing, and say what would be put. */
  readonly dryRun?: boolean
}

const TOOL = 'blob-put'

/**
 * Puts images to a place and passes their records on; a root record then says where its image was put.
 *
 * A root record is held back. It is published when the stream has ended well, or when the next image shows that
 * there are several. One of several that fails costs itself only.
 *
 * @throws ToolError of status 2, before a record is read, for a place that cannot be; `IMAGE_INCOMPLETE`, `IMAGE_MISSING`, `PLACE_TAKEN`, `PLACE_MISSING`; those of {@link putImage}
 */
export async function* blobPut(
  records: AsyncIterable<AnyRecord>,
  options: BlobPutOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  checkPlace(options)
  const put = new StreamPut(options)
  try {
    for await (const record of records) yield* put.take(record)
    yield* put.finish()
  } finally {
    await put.close()
  }
}

function checkPlace(options: BlobPutOptions): void {
  const { place } = options
  if (place === undefined) return
  try {
    if (!takesMany(place)) openPlace(place, options)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

class StreamPut {
  readonly #options: BlobPutOptions
  readonly #source: BlobSource
  readonly #parts = new PartsInStream()
  readonly #taken = new Set<string>()
  /** By digest: where this run has put it. Some 200 bytes for each blob. */
  readonly #known = new Map<string, string>()
  #held: ManifestRecord | undefined
  #roots = 0

  constructor(options: BlobPutOptions) {
    this.#options = options
    this.#source = new BlobSource(options)
  }

  async *take(record: AnyRecord): AsyncGenerator<AnyRecord, void, undefined> {
    const isPart = this.#parts.add(record)
    if (isPart && this.#held !== undefined) {
      const held = this.#held
      this.#held = undefined
      yield* this.#putOneOfMany(held)
    }
    if (!isRoot(record)) {
      yield record
      return
    }
    this.#roots++
    this.#held = record
  }

  async *finish(): AsyncGenerator<AnyRecord, void, undefined> {
    const held = this.#held
    if (held !== undefined && this.#roots === 1) yield* this.#put(held)
    else if (held !== undefined) yield* this.#putOneOfMany(held)
    const [open] = this.#parts.open()
    if (open !== undefined) {
      const why = 'no root manifest came for it; is manifest-gen missing?'
      throw new ToolError('IMAGE_INCOMPLETE', `cannot put image ${JSON.stringify(open)}: ${why}`)
    }
    if (this.#roots === 0 && this.#parts.failures === 0) {
      throw new ToolError('IMAGE_MISSING', 'there is nothing to put: no image came')
    }
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  async *#putOneOfMany(root: ManifestRecord): AsyncGenerator<AnyRecord, void, undefined> {
    try {
      yield* this.#put(root)
    } catch (error) {
      if (!(error instanceof ToolError) || this.#options.signal?.aborted) throw error
      const { code, message } = error
      const item = { digest: root.digest, ...(root.reference && { reference: root.reference }) }
      yield { type: 'failed', tool: TOOL, image: root.image, code, message, item }
    }
  }

  async *#put(root: ManifestRecord): AsyncGenerator<AnyRecord, void, undefined> {
    const image = this.#parts.take(root.image)
    const text = targetOf(this.#options.place, root)
    if (this.#taken.has(text) && !(takesMany(this.#options.place) && root.reference === undefined)) {
      const why = takesMany(this.#options.place)
        ? 'its name without the domain is that of another image'
        : 'give a place that ends in "/"'
      throw new ToolError('PLACE_TAKEN', `cannot put a second image to ${text}: ${why}`)
    }
    this.#taken.add(text)
    const place = openPlace(text, this.#options)
    try {
      const { dryRun } = this.#options
      const put = await putImage({
        root,
        image,
        source: this.#source,
        writer: place.write,
        dryRun,
        known: this.#known,
      })
      for (const { digest } of image.blobs.values()) this.#known.set(digest, place.text)
      if ('put' in put) {
        yield* planRecords(put, text)
        yield root
      } else yield publishedRecord(root, put)
    } catch (error) {
      throw named(error, text)
    } finally {
      await place.close()
    }
  }
}

function publishedRecord(root: ManifestRecord, published: Published): AnyRecord {
  const { reference = root.reference } = published
  const from = [...new Set([published.place, ...(root.from ?? [])])]
  return { ...root, ...(reference !== undefined && { reference }), from }
}

// Of another type than what is put: no tool takes a plan for a part of an image.
function* planRecords({ put, there }: Planned, place: string): Generator<AnyRecord, void, undefined> {
  const registry = /^docker:\/\/[^/]+\//.exec(place)?.[0]
  const record = (action: PlanRecord['action'], { mediaType, digest, size }: Descriptor): PlanRecord => {
    return { type: 'plan', tool: TOOL, action, place, mediaType, digest, size }
  }
  for (const descriptor of there) yield record('skip', descriptor)
  for (const part of put) {
    const isNear = registry !== undefined && (part.from ?? []).some(from => from.startsWith(registry))
    yield record(isNear ? 'mount' : 'put', part)
  }
}

function named(error: unknown, text: string): unknown {
  if (!(error instanceof ToolError) || error.message.includes(text)) return error
  const { code, status } = error
  return new ToolError(code, `cannot put the image to ${text}: ${error.message}`, { cause: error, status })
}
