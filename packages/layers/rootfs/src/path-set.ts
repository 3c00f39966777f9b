/**
 * A set of paths that costs 8 to 16 bytes each, so that a layer of a million entries fits.
 *
 * It keeps a 64-bit hash in place of the path. Two paths of one layer share a hash once in 10^7 layers of a million
 * entries; the seeds are random, so no archive can cause this on purpose. The second path then counts as one of the
 * set.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'

const FIRST_SLOTS = 1024

/** A set to which paths are only added. */
export class PathSet {
  readonly #seeds = new Uint32Array(randomBytes(8).buffer.slice(0, 8))
  /** Each slot has two words, both zero where it is free. */
  #slots = new Uint32Array(FIRST_SLOTS * 2)
  #size = 0

  /** Adds `path`; false where the set had it before. */
  add(path: string): boolean {
    if (this.#size * 2 > this.#slots.length / 2) this.#grow()
    const [high, low] = this.#hash(path)
    const slot = this.#find(high, low)
    if (this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0) return false
    this.#slots[slot] = high
    this.#slots[slot + 1] = low
    this.#size++
    return true
  }

  has(path: string): boolean {
    const [high, low] = this.#hash(path)
    const slot = this.#find(high, low)
    return this.#slots[slot] !== 0 || this.#slots[slot + 1] !== 0
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Uint32Array(old.length * 2)
    for (let i = 0; i < old.length; i += 2) {
      const [high = 0, low = 0] = [old[i], old[i + 1]]
      if (high === 0 && low === 0) continue
      const slot = this.#find(high, low)
      this.#slots[slot] = high
      this.#slots[slot + 1] = low
    }
  }

  /** The slot that holds the hash, or the free one where it would go. */
  #find(high: number, low: number): number {
    const mask = this.#slots.length - 1
    for (let slot = (low * 2) & mask; ; slot = (slot + 2) & mask) {
      const [a, b] = [this.#slots[slot], this.#slots[slot + 1]]
      if ((a === high && b === low) || (a === 0 && b === 0)) return slot
    }
  }

  /** Two chains of MurmurHash3's mixing steps, each with its seed. */
  #hash(path: string): readonly [number, number] {
    let [a = 0, b = 0] = this.#seeds
    for (let i = 0; i < path.length; i++) {
      const c = path.charCodeAt(i)
      a = Math.imul(a ^ c ^ (a >>> 15), 0x85ebca6b)
      b = Math.imul(b ^ c ^ (b >>> 13), 0xc2b2ae35)
    }
    a = mixed(a ^ path.length)
    b = mixed(b ^ a)
    return [a, b === 0 && a === 0 ? 1 : b]
  }
}

function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
