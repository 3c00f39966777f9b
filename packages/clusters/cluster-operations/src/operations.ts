import type { OperationRecord } from '@pipelayer/records'

/** An operation without the fields that its place in the plan gives it. */
export type Step = Pick<OperationRecord, 'title' | 'do'> &
  Partial<Pick<OperationRecord, 'again' | 'check' | 'undo' | 'secrets'>> & {
    readonly name: string
    readonly host: string
  }

/** Collects operations. The id of each says what it does and where: `init@10.0.0.1`. */
export class Operations {
  readonly #all: OperationRecord[] = []
  readonly #ids = new Set<string>()
  readonly #cluster: string

  /** @param cluster - its name */
  constructor(cluster: string) {
    this.#cluster = cluster
  }

  /**
   * Adds an operation, and returns its id for the `needs` of others. What takes something away is done in every run: a
   * host may have come back since.
   */
  add(phase: string, needs: readonly string[], step: Step): string {
    const { name, host, ...fields } = step
    const id = `${name}@${host}`
    if (this.#ids.has(id)) throw new Error(`the operation ${id} is there already`)
    this.#ids.add(id)
    const again = phase === 'reset' || phase === 'clean' ? { again: true as const } : {}
    const place = { id, cluster: this.#cluster, host, phase, needs: [...new Set(needs)] }
    this.#all.push({ type: 'operation', ...place, ...again, ...fields })
    return id
  }

  /** In an order in which each comes after those that it needs. */
  all(): readonly OperationRecord[] {
    return this.#all
  }
}
