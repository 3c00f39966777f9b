import { createHash } from 'node:crypto'
import type { Algorithm, Digest } from './digest.js'

/**
 * Computes a digest over chunks and counts their bytes. Keeps no chunk.
 *
 * `digest()` ends it: no `update` may follow.
 */
export class Hasher {
  readonly #hash
  readonly #algorithm: Algorithm
  #bytes = 0

  constructor(algorithm: Algorithm = 'sha256') {
    this.#algorithm = algorithm
    this.#hash = createHash(algorithm)
  }

  update(chunk: Uint8Array): void {
    this.#bytes += chunk.length
    this.#hash.update(chunk)
  }

  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}`
  }

  /** How many bytes `update` has seen. */
  get bytes(): number {
    return this.#bytes
  }
}

/** The digest of bytes, or of a text's UTF-8 form. */
export function digestOf(content: Uint8Array | string, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`
}
