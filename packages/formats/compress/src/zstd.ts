/**
 * zstd, by Node's own library (from 22.15 on) or the system's libzstd.
 *
 * Frames of 2 MiB, each with a content checksum as the zstd program writes it, made in the threads of libuv's pool: one
 * after the other they are one stream to every reader (RFC 8878, section 3). The bytes depend on the level and on the
 * library's version, which is in the engine's name, and not on how the input is cut or how many threads there are.
 * Memory: some 10 MiB for each worker at the default level, used again and again.
 *
 * Spec: RFC 8878.
 *
 * @module
 */
import zlib from 'node:zlib'
import { bundledVersions, type Lent, libzstdVersion, ZstdDecoder, zstdFrame } from '@pipelayer/sys'
import { blocksOf, type Free } from './blocks.js'
import { Driver, type ZlibStream } from './driver.js'
import { damaged, unsupported } from './errors.js'
import { ZstdFrames } from './frames.js'
import { inOrder, owned } from './in-order.js'

/** The part of node:zlib that exists from Node 22.15 on. Spec: zstd.h, ZSTD_cParameter. */
interface NodeZstd {
  readonly zstdCompress?: (
    bytes: Buffer,
    options: NodeOptions,
    done: (error: Error | null, frame: Buffer) => void,
  ) => void
  readonly createZstdDecompress?: (options: NodeOptions) => ZlibStream
}

interface NodeOptions {
  readonly chunkSize: number
  readonly params: Readonly<Record<number, number | boolean>>
}

const node = zlib as NodeZstd
const C_LEVEL = 100
const C_CHECKSUM = 201
const D_WINDOW_LOG_MAX = 100
/** A frame may ask for 128 MiB of memory, as the zstd program allows. */
const WINDOW_LOG_MAX = 27
const CHUNK_SIZE = 1 << 18
/** This size must not change, since another one gives other bytes. It is the window size of the default level. */
export const ZSTD_FRAME_SIZE = 1 << 21

/**
 * `node-zstd/1.5.7` or `libzstd/1.5.4`.
 *
 * @throws ToolError COMPRESSION_UNSUPPORTED where neither is available
 */
export function zstdEngine(engine?: 'libzstd'): string {
  if (engine === undefined && node.zstdCompress !== undefined) return `node-zstd/${bundledVersions().zstd}`
  return `libzstd/${presentLibrary()}`
}

/** How zstd is made. */
export interface ZstdOptions {
  readonly level: number
  /** Frames that are made at a time, at least 1. */
  readonly workers: number
  /** The system's library, also where Node has its own. */
  readonly engine?: 'libzstd' | undefined
  readonly free?: Free | undefined
}

/** Compresses `source` to frames of 2 MiB each; reads at most `workers` of them ahead of its consumer. */
export function zstd(
  source: AsyncIterable<Buffer>,
  { level, workers, engine, free }: ZstdOptions,
): AsyncGenerator<Buffer, void, void> {
  const create = engine === undefined ? node.zstdCompress : undefined
  if (create === undefined) presentLibrary()
  const frame = (bytes: Buffer): Promise<Lent> =>
    create === undefined ? zstdFrame(bytes, level) : nodeFrame(bytes, level, create)
  return inOrder(blocksOf(source, ZSTD_FRAME_SIZE, free), workers, ({ bytes, release }) =>
    frame(bytes).finally(release),
  )
}

function nodeFrame(
  bytes: Buffer,
  level: number,
  create: NonNullable<NodeZstd['zstdCompress']>,
): Promise<Lent> {
  const options = { chunkSize: ZSTD_FRAME_SIZE, params: { [C_LEVEL]: level, [C_CHECKSUM]: 1 } }
  return new Promise((resolve, reject) =>
    create(bytes, options, (error, frame) => (error ? reject(error) : resolve(owned(frame)))),
  )
}

/**
 * Decompresses frames, one after the other; skippable ones give nothing.
 *
 * @param options - `reuse`: chunks may lie in memory that is used again for the next one
 * @throws ToolError COMPRESSION_INVALID, also for bytes after the last frame that are no frame
 */
export async function* unzstd(
  source: AsyncIterable<Buffer>,
  options: { readonly reuse?: boolean | undefined } = {},
): AsyncGenerator<Buffer, void, void> {
  const create = node.createZstdDecompress
  if (create !== undefined) {
    yield* unzstdByNode(
      source,
      create({ chunkSize: CHUNK_SIZE, params: { [D_WINDOW_LOG_MAX]: WINDOW_LOG_MAX } }),
    )
  } else {
    presentLibrary()
    for await (const piece of unzstdByLibrary(source)) yield options.reuse ? piece : Buffer.from(piece)
  }
}

async function* unzstdByLibrary(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const decoder = new ZstdDecoder(WINDOW_LOG_MAX)
  try {
    for await (const chunk of source) {
      yield* guarded(decoder.push(chunk))
    }
    if (!decoder.isWhole) throw damaged('zstd', 'it ends inside a frame')
  } finally {
    decoder.close()
  }
}

/**
 * Turns errors of the decoder into COMPRESSION_INVALID. Errors of the source or the consumer do not pass through here.
 */
function* guarded(pieces: Generator<Buffer, void, void>): Generator<Buffer, void, void> {
  for (;;) {
    const next = step(pieces)
    if (next.done) return
    yield next.value
  }
}

function step(pieces: Generator<Buffer, void, void>): IteratorResult<Buffer, void> {
  try {
    return pieces.next()
  } catch (error) {
    throw damaged('zstd', error)
  }
}

/**
 * Node's stream ends with the first frame when another follows in the same chunk, and Node 22 takes a cut frame for a
 * whole one: so it gets chunks that end where frames end, and {@link ZstdFrames} tells whether the last frame is whole.
 */
async function* unzstdByNode(
  source: AsyncIterable<Buffer>,
  stream: ZlibStream,
): AsyncGenerator<Buffer, void, void> {
  const driver = new Driver(stream, 'zstd')
  const frames = new ZstdFrames()
  try {
    for await (const chunk of source) {
      for (const piece of guarded(frames.split(chunk))) yield* driver.push(piece)
    }
    if (!frames.isWhole) throw damaged('zstd', 'it ends inside a frame')
    yield* driver.finish()
  } finally {
    driver.close()
  }
}

function presentLibrary(): string {
  const version = libzstdVersion()
  if (version === undefined) throw unsupported('zstd needs Node 22.15 or the system library libzstd.so.1')
  return version
}
