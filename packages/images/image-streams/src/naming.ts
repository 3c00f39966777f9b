import type { Name } from '@pipelayer/places'
import type { AnyRecord } from '@pipelayer/records'

/**
 * After an index was written, it is not written again for this many times the duration of the write, so that names cost
 * a twentieth of the time.
 */
const REST_FACTOR = 20
/** How many records may wait for their names to be written; when there are more, the names are written at once. */
const MAX_HELD = 1000

/** A record, and the name that has to be written before it is passed on, if the record is the root of an image. */
export interface Closing {
  readonly record: AnyRecord
  readonly name?: Name | undefined
}

/**
 * Writes the names of images, and passes their records on, each root after its name is written.
 *
 * An index is replaced as a whole, which for thousands of names, one by one, would take time in proportion to their
 * square. So names that come fast are written together, and the records after them wait; names that come slowly are
 * written at once. If the source fails, the images that were complete still get their names. In a crash, only the names
 * that were not written yet are lost, not the blobs.
 *
 * An index that is written last, as that of an archive, waits for the end of the source, and is not written if that
 * fails.
 *
 * @param now - a clock that never goes back, in milliseconds
 */
export async function* named(
  source: AsyncIterable<Closing>,
  now: () => number = () => performance.now(),
): AsyncGenerator<AnyRecord, void, undefined> {
  const batch = new Batch(now)
  const records = source[Symbol.asyncIterator]()
  let isOver = false
  try {
    let next = records.next()
    for (;;) {
      const result = await batch.unlessDue(next)
      if (result === undefined) {
        yield* batch.write()
        continue
      }
      isOver = result.done === true
      if (result.done) break
      next = records.next()
      // A failure is reported when it is this record's turn.
      next.catch(() => undefined)
      yield* batch.take(result.value)
    }
  } catch (error) {
    isOver = true
    if (!batch.isLast) yield* batch.write()
    throw error
  } finally {
    if (!isOver) await records.return?.()
  }
  yield* batch.write()
}

class Batch {
  readonly #now: () => number
  #held: AnyRecord[] = []
  #names: Name[] = []
  /** The time at which the next write is due. */
  #due = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** The names wait for the end of the source. */
  get isLast(): boolean {
    return this.#names[0]?.index.isLast === true
  }

  /** The result of `next`, or undefined if names have to be written before it comes. */
  async unlessDue<T>(next: Promise<T>): Promise<T | undefined> {
    if (this.#names.length === 0 || this.isLast) return next
    let timer: NodeJS.Timeout | undefined
    const due = new Promise<undefined>(resolve => {
      timer = setTimeout(() => resolve(undefined), Math.max(0, this.#due - this.#now()))
    })
    try {
      return await Promise.race([next, due])
    } finally {
      clearTimeout(timer)
    }
  }

  async *take({ record, name }: Closing): AsyncGenerator<AnyRecord, void, undefined> {
    if (name === undefined && this.#held.length === 0) {
      yield record
      return
    }
    this.#held.push(record)
    if (name !== undefined) this.#names.push(name)
    if (this.isLast) return
    if (this.#now() >= this.#due || this.#held.length > MAX_HELD) yield* this.write()
  }

  async *write(): AsyncGenerator<AnyRecord, void, undefined> {
    const started = this.#now()
    const indexes = new Map(this.#names.map(({ index }) => [index.id, index]))
    const names = this.#names
    this.#names = []
    for (const index of indexes.values()) {
      await index.write(names.filter(name => name.index.id === index.id).map(({ entry }) => entry))
    }
    if (indexes.size > 0) this.#due = this.#now() + (this.#now() - started) * REST_FACTOR
    const held = this.#held
    this.#held = []
    yield* held
  }
}
