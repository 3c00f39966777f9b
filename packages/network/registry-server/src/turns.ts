import { ToolError } from '@pipelayer/errors'

/** Work that waits. */
interface Job {
  run(): Promise<void>
  refuse(error: ToolError): void
}

export interface TurnsOptions {
  /** Jobs of one source that wait, at most. */
  readonly perSource: number
  /** Jobs that wait, at most. */
  readonly total: number
}

/**
 * Work that is done one piece at a time, and that many may ask for at once, most of them to keep the others waiting.
 *
 * Sources take turns, so that one that asks for much waits for itself. Within a source the newest comes first, and when
 * too many wait the oldest of the source with most of them is refused: whoever comes behind a flood is served before
 * it.
 */
export class Turns {
  readonly #options: TurnsOptions
  /** In the order of their turns; none is empty. */
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
      // Its next turn comes behind those of the others.
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
