/** Results of one item that wait for their turn; an item that has more waits too. */
const MAX_WAITING = 200

/** How many items that are light count as much as one that is not. */
const LIGHT_ITEMS = 64

export interface SideBySideOptions<I> {
  /** Items at a time. */
  readonly count: number
  /** An item that costs next to nothing: some more of them may wait. */
  readonly isLight?: (item: I) => boolean
}

/** Turns an item into what comes of it. `signal` aborts when nobody wants it any more. */
export type Work<I, O> = (item: I, signal: AbortSignal) => AsyncIterable<O>

/**
 * Works on several items at a time, and yields what comes of them in the order of the items, as if it were one after the
 * other. What an item throws is thrown when its turn comes; whatever ends this, nothing runs any more afterwards.
 *
 * Memory: of each item but the one whose turn it is, up to 200 results.
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

// What reading throws is told after what came before it.
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

/** How something ended: well, or by an error. */
type Outcome = { readonly error?: unknown }

/** Wakes the one who waits. */
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

/** The items at work, in their order. */
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

  /** Waits until there is room for one more; false when nobody wants it. */
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

  /** The next in order; undefined when there is none any more. */
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

/** Results of one item on their way from its work to whoever reads. */
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

  /** Runs the work to its end; never throws: the reader is told. */
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

  /** Nobody reads any more. */
  stop(): void {
    this.#isStopped = true
    this.#room.ring()
  }
}
