/**
 * Executes a plan: what is ready runs, as many operations at a time as are allowed, and what earlier runs have done is
 * not done again.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { messageOf, ToolError } from '@pipelayer/errors'
import type { HostFacts, OperationRecord, OutcomeRecord } from '@pipelayer/records'
import { act, type Doing, isDone } from './actions.js'
import { jobsOf, journalOf } from './places.js'
import type { Connections, SshTarget } from './ssh.js'

export interface ExecuteOptions {
  readonly connections: Connections
  /** How a host is reached. */
  target(address: string): SshTarget
  /** The name of the cluster, under which its hosts keep their journals. */
  readonly cluster: string
  /** How many operations run at a time. */
  readonly width: number
  /** Go on with what does not need an operation that failed. */
  readonly keepGoing?: boolean
  /** Undo what was done, in the reverse order. */
  readonly undo?: boolean
  /** Seconds that one command may take. */
  readonly timeout?: number | undefined
  readonly signal: AbortSignal
  blobPath(digest: string): string
  /** Gets lines of the output of commands. */
  onOutput(host: string, chunk: Buffer): void
}

/** Writes a line behind the journal `$1`. */
const NOTE = 'mkdir -p "$(dirname "$1")" && printf "%s\\n" "$2" >> "$1"'
/** Takes lines that begin with `$2` out of the journal `$1`. */
const FORGET =
  '[ ! -f "$1" ] || { ID=$2 awk \'$1 != ENVIRON["ID"]\' "$1" > "$1.new" && cat "$1.new" > "$1"; rm -f "$1.new"; }'

/** The sum of what an operation does: another image or another setting makes another operation. */
export function sumOf({ do: work, check }: OperationRecord): string {
  return createHash('sha256')
    .update(JSON.stringify([work, check ?? null]))
    .digest('hex')
}

/**
 * Checks that a plan is whole: no id twice, no need that is neither in the plan nor done, no circle.
 *
 * @param done - ids of what earlier runs have done
 * @throws ToolError `PLAN_INVALID`
 */
export function checkPlan(plan: readonly OperationRecord[], done: ReadonlySet<string>): void {
  const seen = new Set<string>()
  for (const { id, needs } of plan) {
    if (seen.has(id)) throw new ToolError('PLAN_INVALID', `the plan has the operation ${id} twice`)
    const missing = needs.find(need => !seen.has(need) && !done.has(need))
    if (missing !== undefined) {
      const later = plan.some(other => other.id === missing)
      const why = later ? 'stands behind it' : 'is not in the plan, and no journal has it as done'
      throw new ToolError('PLAN_INVALID', `the operation ${id} needs ${missing}, which ${why}`)
    }
    seen.add(id)
  }
}

/**
 * Executes the operations of a plan.
 *
 * @param facts - of each host, for its journal
 * @returns an outcome for each operation, as it comes; operations that need one that failed have none
 */
export async function* execute(
  plan: readonly OperationRecord[],
  facts: ReadonlyMap<string, HostFacts>,
  options: ExecuteOptions,
): AsyncGenerator<OutcomeRecord, void, undefined> {
  const journal = new Set([...facts.values()].flatMap(({ done = [] }) => done))
  const ids = new Set([...journal].map(line => line.split(' ')[0] ?? ''))
  checkPlan(plan, ids)
  const run = new Run(journal, options)
  yield* options.undo ? run.undo(plan) : run.all(plan)
}

class Run {
  readonly #journal: ReadonlySet<string>
  readonly #options: ExecuteOptions
  readonly #secrets = new Map<string, string>()

  constructor(journal: ReadonlySet<string>, options: ExecuteOptions) {
    this.#journal = journal
    this.#options = options
  }

  async *all(plan: readonly OperationRecord[]): AsyncGenerator<OutcomeRecord, void, undefined> {
    const { width, keepGoing = false, signal } = this.#options
    const needed = mintsNeeded(plan, this.#journal)
    const waiting = new Map(plan.map(operation => [operation.id, operation]))
    const over = new Set<string>()
    const running = new Map<string, Promise<OutcomeRecord>>()
    let isStopped = false
    while (running.size > 0 || (waiting.size > 0 && !isStopped)) {
      for (const operation of waiting.values()) {
        if (isStopped || signal.aborted || running.size >= width) break
        if (
          operation.needs.some(need => waiting.has(need) || running.has(need) || failedNeed(need, over, plan))
        )
          continue
        waiting.delete(operation.id)
        running.set(operation.id, this.#one(operation, needed))
      }
      if (running.size === 0) break
      const outcome = await Promise.race(running.values())
      running.delete(outcome.id)
      if (outcome.result !== 'failed') over.add(outcome.id)
      else if (!keepGoing) isStopped = true
      yield outcome
    }
  }

  /** What the journal has as done, the last first, one after the other. */
  async *undo(plan: readonly OperationRecord[]): AsyncGenerator<OutcomeRecord, void, undefined> {
    for (const operation of [...plan].reverse()) {
      if (this.#options.signal.aborted) return
      const { undo } = operation
      if (undo === undefined || !this.#isNoted(operation)) continue
      const outcome = await this.#timed(operation, async doing => {
        await act(undo, { ...doing, job: `${doing.job}-undo` })
        await this.#forget(operation, doing)
        return 'undone'
      })
      yield outcome
      if (outcome.result === 'failed' && !this.#options.keepGoing) return
    }
  }

  #isNoted(operation: OperationRecord): boolean {
    return this.#journal.has(`${operation.id} ${sumOf(operation)}`)
  }

  #one(operation: OperationRecord, mints: ReadonlySet<string>): Promise<OutcomeRecord> {
    return this.#timed(operation, async doing => {
      const isMint = 'mint' in operation.do
      if (isMint && !mints.has(operation.id)) return 'skipped'
      if (!isMint && !operation.again && this.#isNoted(operation)) return 'skipped'
      if (operation.check !== undefined && (await isDone(operation.check, doing))) {
        if (!operation.again) await this.#note(operation, doing)
        return 'skipped'
      }
      await act(operation.do, doing)
      if (!isMint && !operation.again) await this.#note(operation, doing)
      return 'done'
    })
  }

  async #timed(
    operation: OperationRecord,
    work: (doing: Doing) => Promise<OutcomeRecord['result']>,
  ): Promise<OutcomeRecord> {
    const { id, host } = operation
    const start = performance.now()
    const seconds = (): number => Math.round(performance.now() - start) / 1000
    try {
      const result = await work(this.#doing(operation))
      return { type: 'outcome', id, host, result, seconds: seconds() }
    } catch (error) {
      if (this.#options.signal.aborted) throw error
      return {
        type: 'outcome',
        id,
        host,
        result: 'failed',
        seconds: seconds(),
        said: this.#hidden(messageOf(error)),
      }
    }
  }

  /** A message without the secrets of this run, which a program may have repeated. */
  #hidden(text: string): string {
    return [...this.#secrets.values()].reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
  }

  #doing({ host, id, ...operation }: OperationRecord): Doing {
    const { connections, target, cluster, signal, timeout, blobPath, onOutput } = this.#options
    const sum = sumOf({ host, id, ...operation }).slice(0, 12)
    return {
      connections,
      target: target(host),
      secrets: this.#secrets,
      again: operation.again === true,
      job: `${jobsOf(cluster)}/${id.replace(/[^A-Za-z0-9.-]+/g, '_')}-${sum}`,
      signal,
      timeout,
      blobPath,
      onOutput: chunk => onOutput(host, chunk),
    }
  }

  async #note(operation: OperationRecord, { connections, target }: Doing): Promise<void> {
    const line = `${operation.id} ${sumOf(operation)}`
    await connections.run(target, { argv: ['sh', '-c', NOTE, 'sh', journalOf(this.#options.cluster), line] })
  }

  async #forget({ id }: OperationRecord, { connections, target, job }: Doing): Promise<void> {
    await connections.run(target, { argv: ['sh', '-c', FORGET, 'sh', journalOf(this.#options.cluster), id] })
    await connections.run(target, { argv: ['rm', '-rf', '--', job, `${job}-undo`] })
  }
}

const failedNeed = (need: string, over: ReadonlySet<string>, plan: readonly OperationRecord[]): boolean =>
  !over.has(need) && plan.some(({ id }) => id === need)

/** The ids of operations whose secrets something needs that is not done yet. Secrets live as long as a run. */
function mintsNeeded(plan: readonly OperationRecord[], journal: ReadonlySet<string>): ReadonlySet<string> {
  const open = plan.filter(operation => !journal.has(`${operation.id} ${sumOf(operation)}`))
  const wanted = new Set(open.flatMap(({ secrets = [] }) => secrets))
  return new Set(
    plan.flatMap(({ id, do: work }) =>
      'mint' in work && Object.keys(work.mint.secrets).some(name => wanted.has(name)) ? [id] : [],
    ),
  )
}
