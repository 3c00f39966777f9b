/** Runs tasks side by side, at most a fixed number at a time, in the order in which they came. */
export type Limit = <T>(task: () => Promise<T>) => Promise<T>

/**
 * A {@link Limit} of `count`. A task that fails does not hold up the others.
 *
 * ```ts
 * const limit = limitTo(4)
 * const texts = await Promise.all(files.map(file => limit(() => readFile(file, 'utf8'))))
 * ```
 */
export function limitTo(count: number): Limit {
  const waiting: (() => void)[] = []
  let running = 0
  const leave = (): void => {
    running--
    waiting.shift()?.()
  }
  return async task => {
    if (running >= count) await new Promise<void>(resolve => waiting.push(resolve))
    running++
    try {
      return await task()
    } finally {
      leave()
    }
  }
}
