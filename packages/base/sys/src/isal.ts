/**
 * Thin calls of ISA-L's deflate through koffi: five times as fast as zlib, for output a tenth larger.
 *
 * Linked by soname `libisal.so.2` (Debian: libisal2), whose structure is laid out below; every prototype stands here,
 * since a wrong one crashes the process. A first block, compressed and inflated again, shows that both are right.
 *
 * ISA-L chooses its code by what the processor can do, so two machines may give different bytes.
 *
 * @module
 */
import fs from 'node:fs'
import zlib from 'node:zlib'
import { type Library, loadKoffi } from './koffi.js'
import type { Lent } from './lent.js'

const SONAME = 'libisal.so.2'

/** Spec: igzip_lib.h of ISA-L 2.30, `struct isal_zstream` on 64-bit platforms; what follows at 64 is its own state. */
const NEXT_IN = 0
const AVAIL_IN = 8
const NEXT_OUT = 16
const AVAIL_OUT = 24
const LEVEL = 40
const LEVEL_BUFFER_SIZE = 44
const LEVEL_BUFFER = 48
const END_OF_STREAM = 56
const FLUSH = 58
/** The structure has 82,384 bytes. */
const STREAM_SIZE = 1 << 17
/** More than any level asks for. The output depends on it, since it bounds how many symbols share a Huffman code. */
const LEVEL_BUFFER_BYTES = 1 << 19
const SYNC_FLUSH = 1
const OK = 0
/** A block that does not shrink is stored, with 5 bytes for each 64 KiB. */
const OUTPUT_SLACK = 1 << 12

/** How one block is compressed. */
export interface IsalOptions {
  /** 0 to 3. */
  readonly level: number
  /** The 32 KiB before the block. */
  readonly dictionary?: Buffer | undefined
  /** Whether this block ends the deflate stream; else it ends at a whole byte and another block follows. */
  readonly isLast: boolean
}

interface Calls {
  readonly init: (stream: Buffer) => void
  readonly setDictionary: (stream: Buffer, dictionary: Buffer, size: number) => number
  readonly deflate: {
    (stream: Buffer): number
    async(stream: Buffer, done: (error: unknown, code: number) => void): void
  }
  /** Where a buffer lies in memory. */
  readonly addressOf: (buffer: Buffer) => bigint
  readonly version: string
}

let calls: Calls | undefined
let version: string | false | undefined

/** The version of the system's libisal, `2.0.30`; undefined where it does not load, or its output is wrong. */
export function isalVersion(): string | undefined {
  version ??= testedVersion() ?? false
  return version === false ? undefined : version
}

/**
 * Compresses one block to raw deflate, in a thread of libuv's pool. Neither `block` nor the dictionary may be written
 * to meanwhile.
 *
 * @throws Error where libisal does not load or refuses
 */
export async function isalDeflate(block: Buffer, options: IsalOptions): Promise<Lent> {
  const call = prepared(block, options)
  const code = await new Promise<number>((resolve, reject) =>
    bound().deflate.async(call.stream, (error, result) => (error ? reject(error) : resolve(result))),
  )
  const { stream, levelBuffer, output } = call
  const release = (): void => void spare.push({ stream, levelBuffer, output })
  return { bytes: outputOf(call, code), release }
}

/**
 * The memory of one call. It is used again, since new memory for each block costs page faults and garbage collection.
 */
interface Scratch {
  readonly stream: Buffer
  readonly levelBuffer: Buffer
  readonly output: Buffer
}

/** One call. The library knows its buffers by address alone, so all must stay reachable until it is done. */
interface Call extends Scratch {
  readonly block: Buffer
}

/** Memory that no call uses now; as many pieces as calls were under way at once. */
const spare: Scratch[] = []

function prepared(block: Buffer, { level, dictionary, isLast }: IsalOptions): Call {
  const { init, setDictionary, addressOf } = bound()
  const { stream, levelBuffer, output } = scratchFor(block.length + OUTPUT_SLACK)
  init(stream)
  stream.writeUInt32LE(level, LEVEL)
  stream.writeUInt32LE(LEVEL_BUFFER_BYTES, LEVEL_BUFFER_SIZE)
  stream.writeBigUInt64LE(addressOf(levelBuffer), LEVEL_BUFFER)
  stream.writeUInt16LE(isLast ? 1 : 0, END_OF_STREAM)
  stream.writeUInt16LE(SYNC_FLUSH, FLUSH)
  if (dictionary !== undefined && dictionary.length > 0)
    checked(setDictionary(stream, dictionary, dictionary.length), 'isal_deflate_set_dict')
  stream.writeBigUInt64LE(addressOf(block), NEXT_IN)
  stream.writeUInt32LE(block.length, AVAIL_IN)
  stream.writeBigUInt64LE(addressOf(output), NEXT_OUT)
  stream.writeUInt32LE(output.length, AVAIL_OUT)
  return { stream, block, output, levelBuffer }
}

function scratchFor(size: number): Scratch {
  const used = spare.pop()
  if (used !== undefined && used.output.length >= size) return used
  return {
    stream: Buffer.allocUnsafeSlow(STREAM_SIZE),
    levelBuffer: Buffer.allocUnsafeSlow(LEVEL_BUFFER_BYTES),
    output: Buffer.allocUnsafeSlow(size),
  }
}

function outputOf({ stream, block, output, levelBuffer }: Call, code: number): Buffer {
  checked(code, 'isal_deflate')
  const left = stream.readUInt32LE(AVAIL_OUT)
  if (stream.readUInt32LE(AVAIL_IN) !== 0 || left === 0 || left > output.length)
    throw new Error(
      `isal_deflate left ${stream.readUInt32LE(AVAIL_IN)} of ${block.length} bytes, with a buffer of ${levelBuffer.length}`,
    )
  return output.subarray(0, output.length - left)
}

/** Compresses two blocks, the second with the first as its dictionary, and inflates them again. */
function testedVersion(): string | undefined {
  try {
    const { deflate, version: found } = bound()
    const block = Buffer.from('the quick brown fox jumps over the lazy dog. '.repeat(1000))
    for (const level of [0, 1, 2, 3]) {
      const dictionary = block.subarray(-32768)
      const calls = [
        prepared(block, { level, isLast: false }),
        prepared(block, { level, dictionary, isLast: true }),
      ]
      const packed = Buffer.concat(calls.map(call => outputOf(call, deflate(call.stream))))
      if (!zlib.inflateRawSync(packed).equals(Buffer.concat([block, block]))) return undefined
    }
    return found
  } catch {
    return undefined
  }
}

function bound(): Calls {
  if (calls !== undefined) return calls
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))
    throw new Error('the layout of libisal is known for 64-bit x86 and ARM only')
  const koffi = loadKoffi()
  const library: Library = koffi.load(SONAME)
  const address = koffi.load(null).func('uint64_t memmove(void *to, const void *from, size_t size)')
  calls = {
    init: library.func('void isal_deflate_init(void *stream)'),
    setDictionary: library.func(
      'int isal_deflate_set_dict(void *stream, const void *dictionary, uint32_t size)',
    ),
    deflate: library.func('int isal_deflate(void *stream)') as unknown as Calls['deflate'],
    // memmove gives its first argument back, as a number.
    addressOf: buffer => BigInt(address(buffer, buffer, 0)),
    version: loadedVersion(),
  }
  return calls
}

/** The version from the name of the loaded file, `libisal.so.2.0.30`: the library has no call that tells it. */
function loadedVersion(): string {
  const maps = fs.readFileSync('/proc/self/maps', 'utf8')
  return /\/libisal\.so\.([\d.]+)$/m.exec(maps)?.[1] ?? '2'
}

function checked(code: number, call: string): void {
  if (code !== OK) throw new Error(`${call} failed with ${code}`)
}
