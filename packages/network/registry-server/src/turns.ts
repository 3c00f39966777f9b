import { ToolError } from '@pipelayer/errors'

/** A piece of work that waits. */
interface Job {
  run(): Promise<void>
  refuse(error: ToolError): void
}

export interface TurnsOptions {
  /** The most waiting jobs of one source. */
  readonly perSource: number
  /** The most waiting jobs in all. */
  readonly total: number
}

/**
 * Does one piece of work at a time, for many sources, some of which may be attackers that try to block the others.
 *
 * Sources take turns, so that a source with many jobs delays only itself. Within a source the newest job comes first,
 * and when too many wait, the oldest job of the source with most of them is refused. So a new client is served before a
 * flood that came earlier.
 */
export class Turns {
  readonly #options: TurnsOptions
  /** The waiting jobs of each source, in the order of turns; no list is empty. */
  readonly #waiting = new Map<string, Job[]>()
  #count = 0
  #isRunning = false

  constructor(options: TurnsOptions) {
    this.#options = options
  }

  /** Does `work` when it is its turn. @throws {ToolError} `TOOMANYREQUESTS` */
  take<T>(source: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = (): Promise<void> => work().then(resolve, reject)
      this.#add(source, { run, refuse: reject })
      if (!this.#isRunning) void this.#runAll()
    })
  }

  #add(source: string, job: Job): void {
    const jobs = this.#waiting.get(source) ?? []
    this.#waiting.set(source, [...jobs, job])
    this.#count++
    const { perSource, total } = this.#options
    if (jobs.length >= perSource) this.#refuseOldest(source)
    else if (this.#count > total) this.#refuseOldest(this.#busiest())
  }

  #busiest(): string {
    const [busiest] = [...this.#waiting].sort(([, a], [, b]) => b.length - a.length)
    return busiest?.[0] ?? ''
  }

  #refuseOldest(source: string): void {
    const [oldest, ...rest] = this.#waiting.get(source) ?? []
    this.#keep(source, rest)
    oldest?.refuse(new ToolError('TOOMANYREQUESTS', 'too many passwords are being checked: try again later'))
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true
    for (let job = this.#next(); job !== undefined; job = this.#next()) await job.run()
    this.#isRunning = false
  }

  #next(): Job | undefined {
    for (const [source, jobs] of this.#waiting) {
      // The source is added again at the end, so its next turn comes after those of the others.
      this.#waiting.delete(source)
      this.#keep(source, jobs.slice(0, -1))
      return jobs.at(-1)
    }
    return undefined
  }

  #keep(source: string, jobs: readonly Job[]): void {
    this.#count--
    if (jobs.length === 0) this.#waiting.delete(source)
    else this.#waiting.set(source, [...jobs])
  }
}
