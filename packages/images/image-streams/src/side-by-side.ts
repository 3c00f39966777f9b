/** How many results of one item may wait for their turn; an item with more results is stopped until some are read. */
const MAX_WAITING = 200

/** How many light items count as much as one other item. */
const LIGHT_ITEMS = 64

export interface SideBySideOptions<I> {
  /** How many items are worked on at a time. */
  readonly count: number
  /** Tells whether an item costs next to nothing. More of such items may wait. */
  readonly isLight?: (item: I) => boolean
}

/** Turns an item into its results. `signal` aborts when nobody reads the results any more. */
export type Work<I, O> = (item: I, signal: AbortSignal) => AsyncIterable<O>

/**
 * Works on several items at a time, and yields their results in the order of the items, as if it worked on one after
 * the other. An error of an item is thrown when it is that item's turn. When the iteration has ended, for whatever
 * reason, no work runs any more.
 *
 * Memory: up to 200 results for each item that waits for its turn.
 *
 * ```ts
 * // `urls` is an AsyncIterable<string>
 * const texts = sideBySide(urls, { count: 4 }, async function* (url, signal) {
 *   yield await (await fetch(url, { signal })).text()
 * })
 * for await (const text of texts) console.log(text)
 * ```
 */
export async function* sideBySide<I, O>(
  items: AsyncIterable<I>,
  { count, isLight = () => false }: SideBySideOptions<I>,
  work: Work<I, O>,
): AsyncGenerator<O, void, undefined> {
  const lane = new Lane<O>(count * LIGHT_ITEMS)
  const running = new Map<AbortController, Promise<void>>()
  void readAll(items, lane, item => {
    const channel = new Channel<O>(isLight(item) ? 1 : LIGHT_ITEMS)
    const abort = new AbortController()
    const run = channel.fill(work(item, abort.signal)).finally(() => running.delete(abort))
    running.set(abort, run)
    return channel
  })
  try {
    for (let channel = await lane.next(); channel !== undefined; channel = await lane.next()) {
      yield* channel.read()
      lane.leave()
    }
  } finally {
    lane.close()
    for (const abort of running.keys()) abort.abort()
    await Promise.allSettled(running.values())
  }
}

// An error of the source is thrown after the results of the items before it.
async function readAll<I, O>(
  items: AsyncIterable<I>,
  lane: Lane<O>,
  start: (item: I) => Channel<O>,
): Promise<void> {
  try {
    for await (const item of items) {
      if (!(await lane.hasRoom())) return
      lane.put(start(item))
    }
    lane.end({})
  } catch (error) {
    lane.end({ error })
  }
}

/** How a piece of work ended: well, or with an error. */
type Outcome = { readonly error?: unknown }

/** Wakes the task that waits for it. */
class Bell {
  #wake: (() => void) | undefined

  wait(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  ring(): void {
    this.#wake?.()
  }
}

/** The items that are worked on, in their order. */
class Lane<O> {
  readonly #limit: number
  readonly #waiting: Channel<O>[] = []
  readonly #room = new Bell()
  readonly #news = new Bell()
  #current: Channel<O> | undefined
  #outcome: Outcome | undefined
  #weight = 0
  #isClosed = false

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Waits until one more item may be started; false when nobody reads the results any more. */
  async hasRoom(): Promise<boolean> {
    while (this.#weight >= this.#limit && !this.#isClosed) await this.#room.wait()
    return !this.#isClosed
  }

  put(channel: Channel<O>): void {
    this.#weight += channel.weight
    this.#waiting.push(channel)
    this.#news.ring()
  }

  end(outcome: Outcome): void {
    this.#outcome = outcome
    this.#news.ring()
  }

  /** The next item in order; undefined when there is none any more. */
  async next(): Promise<Channel<O> | undefined> {
    for (;;) {
      this.#current = this.#waiting.shift()
      if (this.#current !== undefined) return this.#current
      if (this.#outcome !== undefined && 'error' in this.#outcome) throw this.#outcome.error
      if (this.#outcome !== undefined) return undefined
      await this.#news.wait()
    }
  }

  leave(): void {
    this.#weight -= this.#current?.weight ?? 0
    this.#current = undefined
    this.#room.ring()
  }

  close(): void {
    this.#isClosed = true
    this.#current?.stop()
    for (const channel of this.#waiting) channel.stop()
    this.#room.ring()
  }
}

/** The results of one item, on their way from its work to the reader. */
class Channel<O> {
  readonly weight: number
  #results: O[] = []
  readonly #room = new Bell()
  readonly #news = new Bell()
  #outcome: Outcome | undefined
  #isStopped = false

  constructor(weight: number) {
    this.weight = weight
  }

  /** Runs the work to its end. It never throws: an error is passed to the reader. */
  async fill(source: AsyncIterable<O>): Promise<void> {
    try {
      for await (const result of source) {
        this.#results.push(result)
        this.#news.ring()
        while (this.#results.length >= MAX_WAITING && !this.#isStopped) await this.#room.wait()
        if (this.#isStopped) break
      }
      this.#outcome = {}
    } catch (error) {
      this.#outcome = { error }
    }
    this.#news.ring()
  }

  async *read(): AsyncGenerator<O, void, undefined> {
    for (;;) {
      const results = this.#results
      this.#results = []
      this.#room.ring()
      yield* results
      if (this.#results.length > 0) continue
      if (this.#outcome !== undefined && 'error' in this.#outcome) throw this.#outcome.error
      if (this.#outcome !== undefined) return
      await this.#news.wait()
    }
  }

  /** To be called when nobody reads any more. */
  stop(): void {
    this.#isStopped = true
    this.#room.ring()
  }
}
