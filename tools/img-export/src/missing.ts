import type { Descriptor } from '@pipelayer/oci'
import type { AnyRecord } from '@pipelayer/records'

/**
 * Knows which blobs the reader of the archive lacks. Without `have` and `want` records it lacks all. With `have`
 * records it lacks the blobs that they do not name. As soon as a `want` record came, it lacks only the blobs that such
 * records name.
 */
export class Missing {
  readonly #had = new Map<string, number>()
  readonly #begun = new Map<string, number>()
  readonly #wanted = new Set<string>()

  /** Takes a record; returns true if it was a `have` or `want` record. */
  add({ type, digest, size, partial, offset }: AnyRecord): boolean {
    if (type !== 'have' && type !== 'want') return false
    if (typeof digest !== 'string') return true
    if (type === 'have' && partial !== true) this.#had.set(digest, Number(size))
    else if (type === 'have') this.#begun.set(digest, Number(size))
    else {
      this.#wanted.add(digest)
      if (typeof offset === 'number') this.#begun.set(digest, offset)
    }
    return true
  }

  has({ digest, size }: Descriptor): boolean {
    if (this.#had.get(digest) === size) return true
    return this.#wanted.size > 0 && !this.#wanted.has(digest)
  }

  /** How many first bytes of a blob the reader has. */
  offset({ digest, size }: Descriptor): number {
    const begun = this.#begun.get(digest) ?? 0
    return begun < size ? begun : 0
  }
}
