/**
 * img-rm: takes names of images out of the store.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import {
  findImage,
  keyOf,
  nameOf,
  placeOf,
  removeEntries,
  Summaries,
  unreferencedOf,
} from '@pipelayer/inventory'
import type { StoredDescriptor } from '@pipelayer/layout'
import type { AnyRecord, FailedRecord, RemovedRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'

export interface ImgRmOptions {
  readonly store: string
  /** Names, digests or first digits of digests, before those that come in. */
  readonly images: readonly string[]
  /** Remove all names of an image that is given by its digest. */
  readonly force?: boolean
  /** Remove nothing, and say what would be removed. */
  readonly dryRun?: boolean
}

const TOOL = 'img-rm'

/**
 * Takes names out of the store's index, all in one step, and yields a `reference` record for each. The last name of an
 * image says which blobs nothing names any more: img-gc deletes them. What cannot be removed gives a `failed` record,
 * and the others are removed.
 *
 * @throws ToolError `LAYOUT_MISSING` and its like for a store that is none; those of the system
 */
export async function* imgRm(
  records: AsyncIterable<AnyRecord>,
  options: ImgRmOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const wanted = options.images.filter(image => image !== '-')
  for await (const record of records) {
    if (record.type === 'reference') wanted.push(String(record.reference))
    else yield record
  }
  const store = Store.open(options.store, { create: false })
  const removal = new Removal(store, options)
  for (const text of wanted) removal.add(text)
  const before = store.index().manifests
  const rows = removal.rows(before)
  if (!options.dryRun) removeEntries(store, removal.entries)
  yield* rows
  yield* removal.failures
}

class Removal {
  readonly failures: FailedRecord[] = []
  readonly #store: Store
  readonly #force: boolean
  readonly #summaries: Summaries
  readonly #entries = new Map<string, StoredDescriptor>()

  constructor(store: Store, { force = false }: Pick<ImgRmOptions, 'force'>) {
    this.#store = store
    this.#force = force
    this.#summaries = new Summaries(store)
  }

  get entries(): readonly StoredDescriptor[] {
    return [...this.#entries.values()]
  }

  add(text: string): void {
    try {
      for (const entry of this.#find(text)) this.#entries.set(keyOf(entry), entry)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      const { code, message } = error
      this.failures.push({ type: 'failed', tool: TOOL, code, message, item: { reference: text } })
    }
  }

  /** @throws ToolError `IMAGE_NAMED`: a digest stands for an image with several names; those of `findImage` */
  #find(text: string): readonly StoredDescriptor[] {
    const { entries, name } = findImage(this.#store, text, this.#summaries)
    if (name !== undefined || entries.length === 1 || this.#force) return entries
    const names = entries.map(entry => nameOf(entry) ?? '<none>').join(', ')
    const why = `it has several names, give them or --force: ${names}`
    throw new ToolError('IMAGE_NAMED', `cannot remove ${text}: ${why}`)
  }

  /** The records, from what the index is before anything is removed. */
  rows(before: readonly StoredDescriptor[]): RemovedRecord[] {
    const gone = this.entries
    const others = before.filter(entry => !this.#entries.has(keyOf(entry)))
    const kept = new Set(others.map(({ digest }) => digest))
    // The last entry of a digest tells what becomes of the image.
    const last = new Map(gone.filter(({ digest }) => !kept.has(digest)).map(entry => [entry.digest, entry]))
    const images = [...last.values()]
    const unreferenced = unreferencedOf(this.#store, images, others)
    return gone.map(entry => {
      const name = nameOf(entry)
      const { digest } = entry
      const isLast = last.get(digest) === entry
      return {
        type: 'reference',
        reference: placeOf(entry),
        ...(name !== undefined && { name }),
        digest,
        removed: true,
        ...(isLast && { unreferenced: unreferenced[images.indexOf(entry)] ?? [] }),
      }
    })
  }
}
