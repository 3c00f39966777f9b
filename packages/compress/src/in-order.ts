/**
 * Works on several blocks at a time and gives the results in the order of the blocks.
 *
 * @module
 */

/** What `work` makes of each item; `workers` of them are under way at most. */
export async function* inOrder<T>(
  source: AsyncIterable<T>,
  workers: number,
  work: (item: T) => Promise<Buffer>,
): AsyncGenerator<Buffer, void, void> {
  const started: Promise<Buffer>[] = []
  for await (const item of source) {
    started.push(handled(work(item)))
    if (started.length >= workers) yield await oldest(started)
  }
  while (started.length > 0) yield await oldest(started)
}

async function oldest(started: Promise<Buffer>[]): Promise<Buffer> {
  return (await started.shift()) ?? Buffer.alloc(0)
}

/** A block may fail before its turn to be awaited comes; that must not count as unhandled. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
