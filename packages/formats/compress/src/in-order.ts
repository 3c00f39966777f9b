/**
 * Works on several blocks at a time and gives the results in the order of the blocks.
 *
 * @module
 */
import type { Lent } from '@pipelayer/sys'

/** What `work` makes of each item, until the next one is asked for; `workers` of them are under way at most. */
export async function* inOrder<T>(
  source: AsyncIterable<T>,
  workers: number,
  work: (item: T) => Promise<Lent>,
): AsyncGenerator<Buffer, void, void> {
  const started: Promise<Lent>[] = []
  for await (const item of source) {
    started.push(handled(work(item)))
    if (started.length >= workers) yield* oldest(started)
  }
  while (started.length > 0) yield* oldest(started)
}

async function* oldest(started: Promise<Lent>[]): AsyncGenerator<Buffer, void, void> {
  const made = await started.shift()
  if (made === undefined) return
  yield made.bytes
  made.release()
}

/** What a buffer of its own is lent as: the collector has it. */
export function owned(bytes: Buffer): Lent {
  return { bytes, release: () => undefined }
}

/** A block may fail before its turn to be awaited comes; that must not count as unhandled. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
