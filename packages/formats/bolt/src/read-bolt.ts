import { ToolError } from '@pipelayer/errors'
import { BoltBucket } from './bucket.js'
import { type ReadAt, readMeta } from './meta.js'
import { Pages } from './pages.js'

export interface ReadBoltOptions {
  /** The file, for messages. */
  readonly name: string
  /** Is called before the database is read once more, since it changed meanwhile; times count from 1. */
  readonly again?: (time: number) => void
}

/** How often a database that changes is read again. */
const MAX_TIMES = 50

/**
 * Reads from a database of which another program may be writing. No lock is taken: the program that owns the file holds
 * one for as long as it runs.
 *
 * A writer never changes the pages of the newest state. It puts new pages where older states had theirs, and at last a
 * meta page that names the new root. So what was read is whole if the newest state is still the same afterwards; if it
 * is not, all is read again.
 *
 * ```ts
 * const names = readBolt(read, { name: 'meta.db' }, root =>
 *   [...(root.bucket('v1')?.entries() ?? [])].map(({ key }) => key.toString()),
 * )
 * ```
 *
 * @param work - may be called several times, and must not keep buckets
 * @throws ToolError `BOLT_INVALID`: the file is cut, damaged, or no database; `BOLT_CHANGING` (status 75): it was written
 * each of 50 times; those of `read` and `work`
 */
export function readBolt<T>(read: ReadAt, options: ReadBoltOptions, work: (root: BoltBucket) => T): T {
  const { name, again } = options
  for (let time = 1; ; time++) {
    const meta = readMeta(read, name)
    const root = new BoltBucket({ pages: new Pages(read, meta, name), owner: '', root: meta.root })
    const outcome = outcomeOf(() => work(root))
    const isSame = readMeta(read, name).transaction === meta.transaction
    if (isSame && 'error' in outcome) throw outcome.error
    if (isSame && 'value' in outcome) return outcome.value
    if (time === MAX_TIMES)
      throw new ToolError(
        'BOLT_CHANGING',
        `cannot read "${name}": it changed each of ${time} times that it was read: try again when less is written`,
        { status: 75 },
      )
    again?.(time)
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown }

function outcomeOf<T>(work: () => T): Outcome<T> {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}
