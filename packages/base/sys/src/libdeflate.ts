/**
 * Thin calls of libdeflate through koffi: output as small as zlib's in two thirds of the time, for whole buffers only.
 *
 * Linked by soname `libdeflate.so.0` (Debian: libdeflate0); every prototype stands here, since a wrong one crashes the
 * process. A first buffer, compressed and inflated again, shows that they are right.
 *
 * @module
 */
import zlib from 'node:zlib'
import { type Library, loadKoffi } from './koffi.js'
import type { Lent } from './lent.js'

const SONAME = 'libdeflate.so.0'

/** A compressor of libdeflate: an opaque pointer. */
type Compressor = number & { readonly kind: 'libdeflate compressor' }

interface Calls {
  readonly alloc: (level: number) => Compressor | null
  readonly free: (compressor: Compressor) => void
  readonly bound: (compressor: Compressor, size: number) => number
  readonly compress: {
    (compressor: Compressor, input: Buffer, size: number, output: Buffer, room: number): number
    async(
      compressor: Compressor,
      input: Buffer,
      size: number,
      output: Buffer,
      room: number,
      done: (error: unknown, size: number) => void,
    ): void
  }
}

/** A compressor with its output memory; the library allows only one call at a time on a compressor. */
interface Worker {
  readonly compressor: Compressor
  readonly output: Buffer
}

let calls: Calls | undefined
let version: string | false | undefined
/**
 * Compressors that no call uses now, by level: as many as calls were under way at once, of some 2 MiB each. They live
 * as long as the process.
 */
const spare = new Map<number, Worker[]>()

/**
 * A name in place of the version, which the library does not tell: the number of its soname and the checksum of a
 * sample that it has compressed, as `0-9a8b7c6d`. Undefined where the library does not load, or its output is wrong.
 */
export function libdeflateVersion(): string | undefined {
  version ??= testedVersion() ?? false
  return version === false ? undefined : version
}

/**
 * One gzip member, without a name and a time, made in a thread of libuv's pool. `bytes` may not be written to meanwhile.
 *
 * @param level - 1 to 12
 * @throws Error where libdeflate does not load or refuses
 */
export async function gzipMember(bytes: Buffer, level: number): Promise<Lent> {
  const worker = workerFor(bytes.length, level)
  const { compressor, output } = worker
  const size = await new Promise<number>((resolve, reject) =>
    bound().compress.async(compressor, bytes, bytes.length, output, output.length, (error, result) =>
      error ? reject(error) : resolve(result),
    ),
  )
  return { bytes: memberOf(output, Number(size)), release: () => void spareOf(level).push(worker) }
}

function memberOf(output: Buffer, size: number): Buffer {
  if (size === 0 || size > output.length) throw new Error(`libdeflate gave ${size} bytes of ${output.length}`)
  return output.subarray(0, size)
}

function workerFor(size: number, level: number): Worker {
  const used = spareOf(level).pop()
  const compressor = used?.compressor ?? bound().alloc(level)
  if (compressor === null) throw new Error(`libdeflate has no memory for level ${level}`)
  const room = Number(bound().bound(compressor, size))
  if (used !== undefined && used.output.length >= room) return used
  return { compressor, output: Buffer.allocUnsafeSlow(room) }
}

function spareOf(level: number): Worker[] {
  const known = spare.get(level)
  if (known !== undefined) return known
  const made: Worker[] = []
  spare.set(level, made)
  return made
}

/** Compresses and inflates a sample by each of the library's five ways to find matches. */
function testedVersion(): string | undefined {
  try {
    const sample = Buffer.from('the quick brown fox jumps over the lazy dog, 0123456789. '.repeat(100))
    const members = [1, 4, 6, 9, 12].map(level => {
      const { compressor, output } = workerFor(sample.length, level)
      const size = bound().compress(compressor, sample, sample.length, output, output.length)
      bound().free(compressor)
      return memberOf(output, Number(size))
    })
    const whole = Buffer.concat(members)
    if (!zlib.gunzipSync(whole).equals(Buffer.concat(members.map(() => sample)))) return undefined
    return `0-${sumOf(whole)}`
  } catch {
    return undefined
  }
}

/** FNV-1a, 32 bits. It only names the output; it protects against nothing. */
function sumOf(bytes: Buffer): string {
  let sum = 0x811c9dc5
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193)
  return (sum >>> 0).toString(16).padStart(8, '0')
}

function bound(): Calls {
  if (calls !== undefined) return calls
  const library: Library = loadKoffi().load(SONAME)
  calls = {
    alloc: library.func('void *libdeflate_alloc_compressor(int level)') as unknown as Calls['alloc'],
    free: library.func('void libdeflate_free_compressor(void *compressor)'),
    bound: library.func('size_t libdeflate_gzip_compress_bound(void *compressor, size_t size)'),
    compress: library.func(
      'size_t libdeflate_gzip_compress(void *compressor, const void *in, size_t size, void *out, size_t room)',
    ) as unknown as Calls['compress'],
  }
  return calls
}
