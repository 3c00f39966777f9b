/**
 * Works on several blocks at a time and gives the results in the order of the blocks.
 *
 * @module
 */
import type { Lent } from '@pipelayer/sys'

/**
 * Yields the result of `work` for each item, valid until the next one is asked for. At most `workers` calls run at a
 * time.
 */
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

/** A buffer that nobody uses again, as a {@link Lent}: its release does nothing, since garbage collection frees it. */
export function owned(bytes: Buffer): Lent {
  return { bytes, release: () => undefined }
}

/** Marks a promise as handled, since a block may fail before its result is awaited. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
