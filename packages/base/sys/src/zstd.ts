/**
 * Thin calls of libzstd through koffi: for Node versions whose node:zlib has no zstd.
 *
 * Every prototype of libzstd stands here: a wrong one crashes the process. A context belongs to its maker, who must
 * close it. Linked by soname `libzstd.so.1`, which every Debian and Ubuntu has.
 *
 * @module
 */
import { type Library, loadKoffi, type NativeFunction } from './koffi.js'
import type { Lent } from './lent.js'

const PROTOTYPES = {
  versionNumber: 'unsigned int ZSTD_versionNumber()',
  isError: 'unsigned int ZSTD_isError(size_t code)',
  getErrorName: 'const char *ZSTD_getErrorName(size_t code)',
  createCCtx: 'void *ZSTD_createCCtx()',
  setCParameter: 'size_t ZSTD_CCtx_setParameter(void *context, int parameter, int value)',
  compress2:
    'size_t ZSTD_compress2(void *context, void *dst, size_t dstSize, const void *src, size_t srcSize)',
  compressBound: 'size_t ZSTD_compressBound(size_t srcSize)',
  createDCtx: 'void *ZSTD_createDCtx()',
  freeDCtx: 'size_t ZSTD_freeDCtx(void *context)',
  setDParameter: 'size_t ZSTD_DCtx_setParameter(void *context, int parameter, int value)',
  decompress:
    'size_t ZSTD_decompressStream_simpleArgs(void *context, void *dst, size_t dstSize, void *dstAt, const void *src, size_t srcSize, void *srcAt)',
} as const

const SONAME = 'libzstd.so.1'
/** Spec: zstd.h, ZSTD_cParameter, ZSTD_dParameter. */
const C_LEVEL = 100
const C_CHECKSUM = 201
const D_WINDOW_LOG_MAX = 100
const OUTPUT_SIZE = 1 << 18

/** A context of libzstd: an opaque pointer. */
type Context = number & { readonly kind: 'ZSTD context' }

/** The result of one call. */
interface Step {
  readonly output: Buffer
  /** Bytes of input read. */
  readonly read: number
  /** The call's result: what is left to do, 0 for none. */
  readonly left: number
}

/** An error of libzstd, with its own words. */
export class ZstdError extends Error {}

const bound = new Map<keyof typeof PROTOTYPES, NativeFunction>()
let library: Library | undefined

/** The version of the system's libzstd, `1.5.4`; undefined where it does not load. */
export function libzstdVersion(): string | undefined {
  try {
    const number = call('versionNumber')()
    return `${Math.floor(number / 10_000)}.${Math.floor(number / 100) % 100}.${number % 100}`
  } catch {
    return undefined
  }
}

/**
 * One frame with a content checksum and a content size, made in a thread of libuv's pool. `bytes` may not be written to
 * meanwhile.
 *
 * @throws ZstdError
 */
export async function zstdFrame(bytes: Buffer, level: number): Promise<Lent> {
  const encoder = encoderFor(Number(call('compressBound')(bytes.length)))
  const { context, output } = encoder
  checkedCode(call('setCParameter')(context, C_LEVEL, level))
  checkedCode(call('setCParameter')(context, C_CHECKSUM, 1))
  const compress2 = call('compress2') as unknown as AsyncCompress
  const code = await new Promise<number>((resolve, reject) =>
    compress2.async(context, output, output.length, bytes, bytes.length, (error, result) =>
      error ? reject(error) : resolve(result),
    ),
  )
  return { bytes: output.subarray(0, checkedCode(code)), release: () => void spare.push(encoder) }
}

/** The context and the memory that make one frame. They are used again, since new memory for each frame is slow. */
interface Encoder {
  readonly context: Context
  readonly output: Buffer
}

/**
 * Encoders that make no frame now: as many as frames were made at once, of 10 MiB each at the default level. They live
 * as long as the process.
 */
const spare: Encoder[] = []

function encoderFor(size: number): Encoder {
  const used = spare.pop()
  if (used !== undefined && used.output.length >= size) return used
  return { context: used?.context ?? opened(call('createCCtx')()), output: Buffer.allocUnsafeSlow(size) }
}

interface AsyncCompress {
  async(
    context: Context,
    output: Buffer,
    outputSize: number,
    input: Buffer,
    inputSize: number,
    done: (error: unknown, code: number) => void,
  ): void
}

/** Reads frames, one after the other; skippable frames give nothing. */
export class ZstdDecoder {
  #context: Context | undefined
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_SIZE)
  #left = 0

  /** @param windowLogMax - the largest window a frame may ask for: 27 is 128 MiB of memory */
  constructor(windowLogMax: number) {
    this.#context = opened(call('createDCtx')())
    checkedCode(call('setDParameter')(this.#context, D_WINDOW_LOG_MAX, windowLogMax))
  }

  /** Whether the input so far ends with a whole frame. */
  get isWhole(): boolean {
    return this.#left === 0
  }

  /**
   * Yields what `chunk` decompresses to, at most 256 KiB at a time, in memory that is used again for the next piece:
   * with new memory for each it takes 1.5 times as long. Throws {@link ZstdError}.
   */
  *push(chunk: Buffer): Generator<Buffer, void, void> {
    for (let at = 0, full = false; at < chunk.length || full; ) {
      const { output, read, left } = step(alive(this.#context), chunk.subarray(at), this.#output)
      at += read
      // A full buffer may mean that libzstd holds more output, unless the frame is done.
      full = output.length === OUTPUT_SIZE && left > 0
      // After a whole frame, a call without input only announces the next one.
      if (read > 0 || output.length > 0) this.#left = left
      if (output.length > 0) yield output
    }
  }

  /** Frees the context. Idempotent. */
  close(): void {
    if (this.#context !== undefined) call('freeDCtx')(this.#context)
    this.#context = undefined
  }
}

function step(context: Context, input: Buffer, output: Buffer): Step {
  const written = Buffer.alloc(8)
  const read = Buffer.alloc(8)
  const left = checkedCode(
    call('decompress')(context, output, OUTPUT_SIZE, written, input, input.length, read),
  )
  // size_t of 64-bit platforms, little or big endian as the machine is.
  return { output: output.subarray(0, nativeSize(written)), read: nativeSize(read), left }
}

function nativeSize(bytes: Buffer): number {
  return Number(new BigUint64Array(bytes.buffer, bytes.byteOffset, 1)[0])
}

function checkedCode(code: number): number {
  if (call('isError')(code) === 0) return Number(code)
  throw new ZstdError(String(call('getErrorName')(code)))
}

function opened(context: unknown): Context {
  if (context === null) throw new ZstdError('out of memory')
  return context as Context
}

function alive(context: Context | undefined): Context {
  if (context === undefined) throw new ZstdError('used after close')
  return context
}

function call(name: keyof typeof PROTOTYPES): NativeFunction {
  const known = bound.get(name)
  if (known !== undefined) return known
  library ??= loadKoffi().load(SONAME)
  const made = library.func(PROTOTYPES[name])
  bound.set(name, made)
  return made
}
