/**
 * Writers that share a store, img-gc beside them, and SIGKILL for any of their processes at any instant.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { childrenOf } from '@pipelayer/testkit'
import type { Lab } from './lab.js'

/** Something that is done to the store. */
export interface Operation {
  /** Operations of one kind take about the same time. */
  readonly kind: string
  /** A pipe, for bash. */
  readonly command: string
  /** It is one of the operations of which there is to be a number. */
  readonly counts?: true
  /** The names that the store has when this has ended well, and what they stand for. */
  readonly adds?: readonly { readonly name: string; readonly digest: string }[]
  /** The name that the store has no longer. */
  readonly removes?: string
}

interface CrowdOptions {
  readonly writers: number
  /** How many operations that count there are to be, how many kills, and collections that end well: all are reached. */
  readonly operations: number
  readonly kills: number
  readonly collections: number
  /** Makes the next operation. `done` is what has ended well. */
  next(done: ReadonlyMap<string, string>): Operation
}

/** Statuses that img-gc may end with: done, and that others use the store. */
const GC_STATUSES = [0, 75]
/** How long nobody collects at most. */
const MAX_REST_MS = 1500
/** How often a process is chosen to be killed. The instant is chosen within its usual time, so that some escape. */
const KILL_SHARE = 0.6

export class Crowd {
  /** The names that the store must have, with their digests. */
  readonly names = new Map<string, string>()
  /** What was killed, and is to be done again. */
  readonly interrupted: Operation[] = []
  /** What failed although nobody killed it. */
  readonly faults: string[] = []
  kills = 0
  /** How often img-gc ended well, and how many things it removed. */
  collections = 0
  removed = 0
  readonly #place: Lab
  readonly #options: CrowdOptions
  readonly #usualMs = new Map<string, number>()
  #begun = 0
  #active = 0
  #gate: Promise<void> = Promise.resolve()
  #isOver = false

  constructor(place: Lab, options: CrowdOptions) {
    this.#place = place
    this.#options = options
  }

  /** Lets all writers work, and img-gc, until the numbers are reached. */
  async work(): Promise<void> {
    const collector = this.#collect()
    await Promise.all(Array.from({ length: this.#options.writers }, () => this.#write()))
    this.#isOver = true
    await collector
  }

  /** Does again what was killed, without a kill. */
  async repeat(): Promise<void> {
    const waiting = this.interrupted.splice(0)
    const repeater = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
        await this.#run(next, { isSafe: true })
    }
    await Promise.all([repeater(), repeater()])
  }

  async #write(): Promise<void> {
    while (this.faults.length === 0 && this.#hasMore()) {
      await this.#gate
      this.#active++
      const operation = this.#options.next(this.names)
      if (operation.counts) this.#begun++
      await this.#run(operation)
      this.#active--
    }
  }

  #hasMore(): boolean {
    const { operations, kills, collections } = this.#options
    return this.#begun < operations || this.kills < kills || this.collections < collections
  }

  // While eight programs come and go, there is hardly an instant at which nobody has the store. So the writers pause
  // now and then, and go on at a random instant of the collection.
  async #collect(): Promise<void> {
    while (!this.#isOver) {
      await delay(Math.random() * MAX_REST_MS)
      const isQuiet = Math.random() < 0.6
      const keep = Math.random() < 0.3 ? ' --keep-bytes 100k' : ''
      const command = `img-gc --min-age 0 --wait ${isQuiet ? 60 : 0}${keep}`
      const collecting = (): Promise<void> => this.#run({ kind: 'gc', command })
      await (isQuiet ? this.#paused(collecting) : collecting())
    }
  }

  async #paused(work: () => Promise<void>): Promise<void> {
    let open = (): void => {}
    this.#gate = new Promise(resolve => {
      open = resolve
    })
    const working = work()
    while (this.#active > 0) await delay(5)
    await delay(Math.random() * this.#usual('gc'))
    open()
    await working
  }

  async #run(operation: Operation, { isSafe = false } = {}): Promise<void> {
    const { kind, command, adds = [], removes } = operation
    const started = Date.now()
    const pipe = this.#place.start(command, { timeoutMs: 600_000 })
    const shot = isSafe ? undefined : this.#aim(pipe.pid, kind)
    const { statuses, stdout, stderr, timedOut } = await pipe.done
    shot?.cancel()
    const isGood = statuses.every(status => status === 0 || (kind === 'gc' && GC_STATUSES.includes(status)))
    // One that was killed after it had removed the name cannot remove it again.
    const isGone = removes !== undefined && !this.#place.tags().includes(removes)
    if ((statuses.length > 0 && isGood) || isGone) {
      this.#usualMs.set(kind, this.#usual(kind) * 0.7 + (Date.now() - started) * 0.3)
      for (const { name, digest } of adds) this.names.set(name, digest)
      if (removes !== undefined) this.names.delete(removes)
      if (kind === 'gc' && statuses[0] === 0) this.#collected(stdout)
    } else if (shot?.hasHit()) {
      if (kind !== 'gc') this.interrupted.push(operation)
    } else {
      const how = timedOut ? 'timed out' : `ended with ${statuses.join(' ')}`
      this.faults.push(`${command}\n${how}:\n${stderr.slice(-2000)}`)
    }
  }

  #collected(stdout: string): void {
    this.collections++
    this.removed += stdout.split('\n').filter(line => line.includes('"removed":true')).length
  }

  /** Kills one process of a pipe, or none, at a random instant of its life. */
  #aim(pid: number, kind: string): { cancel(): void; hasHit(): boolean } {
    let hasHit = false
    if (Math.random() > KILL_SHARE) return { cancel: () => {}, hasHit: () => hasHit }
    const timer = setTimeout(() => {
      const running = childrenOf(pid)
      const victim = running[Math.floor(Math.random() * running.length)]
      if (victim === undefined) return
      try {
        process.kill(victim, 'SIGKILL')
        hasHit = true
        this.kills++
      } catch {
        // It has ended by itself.
      }
    }, Math.random() * this.#usual(kind))
    return { cancel: () => clearTimeout(timer), hasHit: () => hasHit }
  }

  #usual(kind: string): number {
    return this.#usualMs.get(kind) ?? 1000
  }
}
