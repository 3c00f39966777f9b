/**
 * Checks that the zlib of this Node gives the same bytes as the zlib of other builds of Node.
 *
 * The zlib inside Node 20, 22 and 24 gives equal bytes. A distribution's own zlib, where Node is linked with it, may
 * give others, and so may a zlib that chooses its code by the processor. Compressing a known input shows a difference.
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
  /** SHA-256 of the compressed sample, in hex. */
  readonly expectedSHA256: string
  readonly actualSHA256: string
}

/**
 * SHA-256 of the sample compressed at the default level. Debian's and nodejs.org's builds of Node all give it: Node
 * 20.20.2 (zlib 1.3.1-e00f703), 22.23.3 (1.3.1-e00f703), 24.21.0 (1.3.2.1-motley-8002e91).
 */
const EXPECTED = '2f41c8554bbe65fb2fd67bccab0eed553b4cb0c792d42aa8d7a40af0a59404e9'
const SAMPLE_SIZE = 80_000
const MADE_SIZE = 8_000
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

/**
 * The sample: words and noise, and then the same turned round and altered, so that it has near and far matches,
 * literals and two blocks.
 */
function sample(): Buffer {
  const bytes = Buffer.alloc(SAMPLE_SIZE)
  const words = ['usr', '/share', '/lib', 'python3', '\n', 'root', 'package', '\0\0\0\0\0\0\0\0']
  let state = 1
  // Numerical Recipes' generator: the same everywhere, which is all that is wanted of it.
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0)
  for (let at = 0; at < MADE_SIZE; ) {
    const number = next()
    const noise = String.fromCharCode(number >>> 24, (number >>> 16) & 0xff)
    at += bytes.write(number % 11 < 8 ? (words[number >>> 29] ?? noise) : noise, at, 'latin1')
  }
  for (let at = MADE_SIZE; at < SAMPLE_SIZE; at += MADE_SIZE) {
    const turn = next() % MADE_SIZE
    bytes.copy(bytes, bytes.copy(bytes, at, turn, MADE_SIZE) + at, 0, turn)
    for (let spoilt = at; spoilt < at + MADE_SIZE; spoilt += 1 + (next() & 63)) bytes[spoilt] = next() >>> 24
  }
  return bytes
}
