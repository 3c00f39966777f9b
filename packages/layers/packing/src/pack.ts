/**
 * Packs layers: tar, compression and both digests in one pass.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises'
import { blockSizeOf, compress, decompress, engineOf } from '@pipelayer/compress'
import { checkedTar } from '@pipelayer/layer-blob'
import { layerMediaType } from '@pipelayer/oci'
import type { ChangeRecord } from '@pipelayer/records'
import { ChunkPool } from './chunks.js'
import { ThreadHasher } from './hash-thread.js'
import { tarBytes } from './tar-bytes.js'
import type { BlobSink, PackedLayer, PackOptions } from './types.js'

/** Opens the sink: called only when there is something to write. */
export type OpenSink = () => BlobSink | Promise<BlobSink>

/**
 * Packs changes, which must be in the order of a change set. Resolves to undefined where there are none, and then
 * writes nothing.
 *
 * @throws ToolError `ORDER_INVALID`, `DUPLICATE_ENTRY`, `PARENT_MISSING`, `LINK_TARGET_MISSING`, `CHANGE_INVALID`,
 *   `WHITEOUT_NAME`, `FILE_CHANGED`, TAR_UNREPRESENTABLE, those of the compressor and of the sink. The sink is aborted.
 */
export async function packChanges(
  changes: AsyncIterable<ChangeRecord> | Iterable<ChangeRecord>,
  open: OpenSink,
  options: PackOptions = {},
): Promise<PackedLayer | undefined> {
  const started = Symbol.asyncIterator in changes ? await startOf(changes) : startAtOnce(changes)
  if (started === undefined) return undefined
  let entries = 0
  const pool = new ChunkPool(blockSizeOf(options.compress?.format ?? 'gzip'))
  const tar = tarBytes(started, { ...options, pool }, () => entries++)
  const packed = await packBytes(tar, open, { ...options, free: pool.give })
  return { ...packed, entries }
}

/**
 * Packs an existing tar. The bytes of the tar are kept; they are only decompressed and compressed anew.
 *
 * @throws ToolError those of TarParser and of {@link checkedTar} where it is no layer, COMPRESSION_INVALID
 */
export async function packTar(
  source: AsyncIterable<Buffer>,
  open: OpenSink,
  options: PackOptions = {},
): Promise<PackedLayer> {
  let entries = 0
  const tar = checkedTar(decompress(source), () => entries++)
  const packed = await packBytes(tar, open, options)
  return { ...packed, entries }
}

async function packBytes(
  tar: AsyncGenerator<Buffer, void, void>,
  open: OpenSink,
  options: PackOptions & { readonly free?: (chunk: Buffer) => void },
): Promise<Omit<PackedLayer, 'entries'>> {
  const { format, engine, level } = options.compress ?? { format: 'gzip' }
  const mediaType = layerMediaType(options.family ?? 'oci', format)
  const hasher = new ThreadHasher({ checksum: format === 'gzip' && engine !== 'libdeflate' })
  const { checksum } = hasher
  const how = { format, level, engine, checksum, free: options.free, ...workersOf(options) }
  const sink = await open()
  try {
    for await (const chunk of compress(hashed(tar, hasher), how)) {
      await sink.write(chunk)
      // Reading and writing are synchronous, so without a pause no signal would be handled.
      await setImmediate()
      options.signal?.throwIfAborted()
    }
    const diffID = await hasher.digest()
    const blob = await sink.commit()
    return { mediaType, ...blob, diffID, engine: engineOf(format, engine) }
  } catch (error) {
    await sink.abort()
    throw error
  } finally {
    await hasher.close()
  }
}

async function* hashed(
  source: AsyncIterable<Buffer>,
  hasher: ThreadHasher,
): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of source) {
    await hasher.update(chunk)
    yield chunk
  }
}

function workersOf({ workers }: PackOptions): { workers?: number } {
  return workers === undefined ? {} : { workers }
}

/** Waits for the first change and returns all changes; undefined where there is none. */
async function startOf(
  changes: AsyncIterable<ChangeRecord>,
): Promise<AsyncIterable<ChangeRecord> | undefined> {
  const iterator = changes[Symbol.asyncIterator]()
  const first = await iterator.next()
  if (first.done === true) return undefined
  return rest(first.value, iterator)
}

async function* rest(
  first: ChangeRecord,
  iterator: AsyncIterator<ChangeRecord>,
): AsyncGenerator<ChangeRecord, void, void> {
  try {
    yield first
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
  } finally {
    await iterator.return?.()
  }
}

function startAtOnce(changes: Iterable<ChangeRecord>): Iterable<ChangeRecord> | undefined {
  const iterator = changes[Symbol.iterator]()
  const first = iterator.next()
  return first.done === true ? undefined : restAtOnce(first.value, { [Symbol.iterator]: () => iterator })
}

function* restAtOnce(
  first: ChangeRecord,
  others: Iterable<ChangeRecord>,
): Generator<ChangeRecord, void, void> {
  yield first
  yield* others
}
