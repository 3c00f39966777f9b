/**
 * A layer that is named on the command line: the records of layers that are packed already, a tar, or a directory.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { diffTrees } from '@pipelayer/change-set'
import { isDigest } from '@pipelayer/digest'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { parseLayerType } from '@pipelayer/oci'
import { CheckedBlobs, type PackedLayer, packChanges, packTar } from '@pipelayer/packing'
import { type ChangeRecord, type LayerRecord, readRecords } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'
import type { AppendedLayer } from './options.js'

export interface PackContext {
  readonly store: Store
  readonly signal: AbortSignal
  /** What the history says of a layer that is packed here. */
  readonly createdBy: string
  /** Seconds since 1970: later times of files become this one. */
  readonly sourceDateEpoch?: number
  readonly onWarning?: (message: string, code: string) => void
}

/** Where the magic of a tar header stands, in bytes. */
const MAGIC_AT = 257
/** Records that stand for changes which are not packed. */
const UNPACKED = new Set(['snapshot', 'layer-begin', 'change', 'layer-end'])

/**
 * The layers that `file` stands for. A directory is packed as a whole, a tar as it is, plain or compressed; of records
 * the layers are taken. A FIFO will do, such as that of `<(...)` in a shell.
 *
 * @throws ToolError `LAYER_INVALID` for an empty file, and for records that name no packed layer; those of `readRecords`, so that records
 *   without their `end` are refused; those of `packTar` and `packChanges`; the system's
 */
export async function appendedLayers(file: string, context: PackContext): Promise<AppendedLayer[]> {
  const isDirectory = attempt(`read "${file}"`, () => fs.statSync(file)).isDirectory()
  if (isDirectory) {
    const onWarning = (message: string): void => context.onWarning?.(message, 'LEFT_OUT')
    return [await packedLayer(diffTrees(undefined, path.resolve(file), { onWarning }), context)]
  }
  const bytes = bytesOf(file)
  const first = await bytes.next()
  const head = first.done === true ? Buffer.alloc(0) : first.value
  if (head.length === 0) throw invalid(file, 'is empty')
  const all = rejoined(head, bytes)
  if (isRecords(head)) return await layersIn(file, Readable.from(all, { objectMode: false }))
  const blobs = new CheckedBlobs({ ...context, open: () => context.store.blobWriter() })
  const packed = await packTar(all, () => blobs.newBlob(), packOptions(context))
  return [layerOf(packed, context)]
}

/** Packs changes into a layer. If there are none, it is a layer without a blob. Throws as `packChanges` does. */
export async function packedLayer(
  changes: Iterable<ChangeRecord>,
  context: PackContext,
): Promise<AppendedLayer> {
  const blobs = new CheckedBlobs({ ...context, open: () => context.store.blobWriter() })
  const packed = await packChanges(changes, () => blobs.newBlob(), packOptions(context))
  return layerOf(packed, context)
}

function packOptions({ signal, sourceDateEpoch }: PackContext): Parameters<typeof packTar>[2] {
  return { signal, ...(sourceDateEpoch === undefined ? {} : { sourceDateEpoch }) }
}

function layerOf(packed: PackedLayer | undefined, { createdBy }: PackContext): AppendedLayer {
  if (packed === undefined)
    return { record: { type: 'layer', createdBy, empty: true }, history: { empty_layer: true } }
  const { mediaType, digest, size, diffID, engine, path: file } = packed
  const place = file === undefined ? {} : { path: file }
  return { record: { type: 'layer', createdBy, mediaType, digest, size, diffID, ...place, engine } }
}

// The first byte of a tar is that of a file name, which may be a brace as well.
function isRecords(head: Buffer): boolean {
  const isTar = head.subarray(MAGIC_AT, MAGIC_AT + 5).toString('latin1') === 'ustar'
  return !isTar && /^\s*\{\s*"/.test(head.subarray(0, 512).toString('latin1'))
}

async function layersIn(file: string, input: Readable): Promise<AppendedLayer[]> {
  const layers: AppendedLayer[] = []
  for await (const record of readRecords(input)) {
    if (record.type === 'failed') throw invalid(file, `holds a failure: ${String(record.message)}`)
    if (UNPACKED.has(record.type)) throw invalid(file, `holds a "${record.type}" record, which is not packed`)
    if (record.type === 'layer') layers.push(known(file, record as LayerRecord))
  }
  if (layers.length === 0) throw invalid(file, 'holds no "layer" record')
  return layers
}

function known(file: string, { image: _, partOf: _index, ...record }: LayerRecord): AppendedLayer {
  if (record.empty === true) return { record: record as LayerRecord, history: { empty_layer: true } }
  const { digest = '', size, mediaType = '', diffID = '' } = record
  const isWhole = isDigest(String(digest)) && isDigest(String(diffID)) && typeof size === 'number'
  if (!isWhole || parseLayerType(String(mediaType)) === undefined)
    throw invalid(file, 'holds a layer without digest, size, diffID or the media type of a layer')
  return { record: record as LayerRecord }
}

function invalid(file: string, why: string): ToolError {
  return new ToolError('LAYER_INVALID', `cannot append "${file}": it ${why}`)
}

async function* bytesOf(file: string): AsyncGenerator<Buffer, void, void> {
  try {
    yield* fs.createReadStream(file, { highWaterMark: 1 << 18 })
  } catch (error) {
    throw systemError(error, `read "${file}"`)
  }
}

async function* rejoined(
  first: Buffer,
  rest: AsyncGenerator<Buffer, void, void>,
): AsyncGenerator<Buffer, void, void> {
  yield first
  yield* rest
}
