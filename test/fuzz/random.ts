/**
 * Numbers that look random and follow from a seed, so that every case can be run again.
 *
 * @module
 */

/** mulberry32: 32 bits of state, good enough to choose where bytes break. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Seeds that follow each other must not give similar cases.
    this.#state = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) >>> 0
  }

  /** From 0 to 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return (z ^ (z >>> 14)) >>> 0
  }

  /** A number from 0 to `limit - 1`; 0 if the limit is below 2. */
  below(limit: number): number {
    return limit < 2 ? 0 : this.next() % limit
  }

  /** True once in `n` times, on average. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(list: readonly T[]): T {
    const chosen = list[this.below(list.length)]
    if (chosen === undefined) throw new RangeError('nothing to pick from')
    return chosen
  }

  /** A part of a buffer of this length, small ones more often. */
  range(length: number): { start: number; end: number } {
    const start = this.below(length)
    const longest = Math.max(1, length >> this.below(10))
    return { start, end: Math.min(length, start + 1 + this.below(longest)) }
  }
}
