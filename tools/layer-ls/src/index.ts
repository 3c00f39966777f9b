/**
 * layer-ls: the entries of layers, as records.
 *
 * @module
 */

import { type ListedChange, listLayer } from '@pipelayer/change-set'
import { decompress } from '@pipelayer/compress'
import { type Digest, Hasher } from '@pipelayer/digest'
import { fileBytes, layerBlob, type OpenBlob } from '@pipelayer/layer-blob'
import { type AnyRecord, changesDigest, type LayerBeginRecord, type LayerRecord } from '@pipelayer/records'
import { LayerChoice } from './choice.js'

export interface LayerLsOptions {
  /** Opens blobs whose record has no path that leads to them. */
  readonly open: OpenBlob
  /** Numbers from 1, base first, or digests; the other layers pass. None: all are listed. */
  readonly layers?: readonly string[]
  readonly onWarning?: (message: string) => void
  readonly signal?: AbortSignal
}

/**
 * Each `layer` becomes `layer-begin`, a `change` for each of its entries in the order of its tar, and `layer-end`;
 * other records pass. A file's bytes are named by where they lie in the blob.
 *
 * @throws ToolError `LAYER_NOT_FOUND`, `LAYER_INVALID`; those of listLayer, decompress and layerBlob
 */
export async function* layerLs(
  records: AsyncIterable<AnyRecord>,
  options: LayerLsOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const choice = new LayerChoice(options.layers ?? [])
  for await (const record of records) {
    if (record.type === 'layer' && record.empty !== true && choice.takes(record as LayerRecord))
      yield* listRecord(record as LayerRecord, options)
    else yield record
  }
  choice.finish()
}

/** Lists the tar in a file, plain or compressed, which is read twice: its digest comes first. */
export async function* listFile(
  file: string,
  options: Omit<LayerLsOptions, 'open' | 'layers'> = {},
): AsyncGenerator<AnyRecord, void, void> {
  const digest = await digestOfFile(file)
  const listed = listLayer(decompress(fileBytes(file)), { ...options, blob: { digest, path: file } })
  yield* closed({ type: 'layer-begin', image: '1', order: 'listed' }, listed)
}

/** Lists a tar that comes once, plain or compressed: its entries cannot say where their bytes lie. */
export async function* listStream(
  source: AsyncIterable<Buffer>,
  options: Omit<LayerLsOptions, 'open' | 'layers'> = {},
): AsyncGenerator<AnyRecord, void, void> {
  yield* closed(
    { type: 'layer-begin', image: '1', order: 'listed' },
    listLayer(decompress(source), { ...options }),
  )
}

async function* listRecord(
  record: LayerRecord,
  { open, ...how }: LayerLsOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const { digest, path, tar } = layerBlob(record, open)
  const { image, createdBy, created } = record
  const begin: LayerBeginRecord = {
    type: 'layer-begin',
    image,
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(created === undefined ? {} : { created }),
    order: 'listed',
  }
  yield* closed(begin, listLayer(tar(), { ...how, blob: { digest, path } }))
}

async function* closed(
  begin: LayerBeginRecord,
  listed: AsyncIterable<ListedChange>,
): AsyncGenerator<AnyRecord, void, void> {
  const digest = changesDigest()
  yield begin
  for await (const { change } of listed) {
    digest.update(change)
    yield change
  }
  yield { type: 'layer-end', changes: digest.count, digest: digest.digest() }
}

async function digestOfFile(file: string): Promise<Digest> {
  const hasher = new Hasher()
  for await (const chunk of fileBytes(file)) hasher.update(chunk)
  return hasher.digest()
}
