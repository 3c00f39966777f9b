/**
 * layer-ls: lists the entries of layers as records.
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
  /** Numbers from 1, base first, or digests. Other layers pass through. If empty, all layers are listed. */
  readonly layers?: readonly string[]
  readonly onWarning?: (message: string) => void
  readonly signal?: AbortSignal
}

/**
 * Each `layer` becomes `layer-begin`, a `change` for each of its entries in the order of its tar, and `layer-end`;
 * other records pass. The content of a file is given by its position in the blob.
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

/** Lists the tar in a file, plain or compressed. The file is read twice, because its digest is needed first. */
export async function* listFile(
  file: string,
  options: Omit<LayerLsOptions, 'open' | 'layers'> = {},
): AsyncGenerator<AnyRecord, void, void> {
  const digest = await digestOfFile(file)
  const listed = listLayer(decompress(fileBytes(file)), { ...options, blob: { digest, path: file } })
  yield* closed({ type: 'layer-begin', image: '1', order: 'listed' }, listed)
}

/** Lists a tar that can be read only once, plain or compressed. Its entries do not say where their content is. */
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
