/**
 * Checks that this Node's zlib gives the bytes that the others give.
 *
 * The zlib inside Node 20, 22 and 24 gives equal bytes; one of a distribution, linked by a Node that was built so, may
 * not, nor one that chooses its code by what the processor can do. A known input shows it.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { engineOf } from './compress.js'
import { defaultLevel } from './format.js'
import { WINDOW_SIZE, zlibDeflate } from './gzip.js'

export interface EngineCheck {
  readonly engine: string
  readonly isKnown: boolean
  /** Of the compressed sample, in hex. */
  readonly expectedSHA256: string
  readonly actualSHA256: string
}

/**
 * Of the sample at the default level, which `node` of Debian's and nodejs.org's builds give alike:
 * Node 20.20.2 (zlib 1.3.1-e00f703), 22.23.3 (1.3.1-e00f703), 24.21.0 (1.3.2.1-motley-8002e91).
 */
const EXPECTED = '70a788d07f4d61dc0ce36894e54b069ee096fbc64de5d4d6fad63fde3aacfaa3'
const SAMPLE_SIZE = 80_000
/** Where the second of the two blocks begins. */
const CUT = 48_000

/** Compresses the sample, in some 10 ms, and compares its digest with the known one. */
export async function verifyEngine(): Promise<EngineCheck> {
  const bytes = sample()
  const level = defaultLevel('gzip')
  const dictionary = bytes.subarray(CUT - WINDOW_SIZE, CUT)
  const blocks = await Promise.all([
    zlibDeflate(bytes.subarray(0, CUT), { level, dictionary: undefined, isLast: false }),
    zlibDeflate(bytes.subarray(CUT), { level, dictionary, isLast: true }),
  ])
  const hash = createHash('sha256')
  for (const block of blocks) {
    hash.update(block.bytes)
    block.release()
  }
  const actualSHA256 = hash.digest('hex')
  return {
    engine: engineOf('gzip'),
    isKnown: actualSHA256 === EXPECTED,
    expectedSHA256: EXPECTED,
    actualSHA256,
  }
}

/** Text of words, numbers and noise: matches near and far, literals, two blocks. */
function sample(): Buffer {
  const bytes = Buffer.alloc(SAMPLE_SIZE)
  const words = ['usr', '/share', '/lib', 'python3', '\n', 'root', 'package', '\0\0\0\0\0\0\0\0']
  let state = 1
  for (let at = 0; at < SAMPLE_SIZE; ) {
    // Numerical Recipes' generator: the same everywhere, which is all that is wanted of it.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const word =
      state % 11 < 8 ? words[state >>> 29] : String.fromCharCode(state >>> 24, (state >>> 16) & 0xff)
    at += bytes.write(word ?? '', at, 'latin1')
  }
  return bytes
}
