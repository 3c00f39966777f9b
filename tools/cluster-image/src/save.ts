/**
 * Writes cluster images of the store as sealer's archives, and reads such archives into the store.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { readBytes } from '@pipelayer/cli'
import {
  type ArchivedLayer,
  archiveBytes,
  type ImageDocument,
  imageID,
  readArchive,
  withID,
} from '@pipelayer/cluster'
import { decompress } from '@pipelayer/compress'
import { systemError, ToolError } from '@pipelayer/errors'
import { layerBlob } from '@pipelayer/layer-blob'
import type { Descriptor } from '@pipelayer/oci'
import { packTar } from '@pipelayer/packing'
import type { Store } from '@pipelayer/store'
import type { FoundCluster } from './found.js'
import type { ClusterImageOptions } from './options.js'

/**
 * Writes an archive. It gets its name only when it is complete.
 *
 * @throws ToolError `KIND_MISMATCH` for an image of sealos, `LAYERS_MISSING`, `LAYER_ID_MISMATCH` if sealer's form cannot hold a layer; the system's errors
 */
export async function saveArchive(
  store: Store,
  { document, manifest, config, kind }: FoundCluster,
  file: string,
): Promise<void> {
  if (kind === 'sealos') {
    const why =
      "sealer's archive holds no variables and no commands of sealos: img-export writes the whole image"
    throw new ToolError('KIND_MISMATCH', `cannot save ${document.metadata.name}: ${why}`)
  }
  const ids = (document.spec.layers ?? []).flatMap(({ id }) => id ?? [])
  if (ids.length !== manifest.layers.length) {
    const counts = `${ids.length} of its steps have a layer, its manifest has ${manifest.layers.length}`
    throw new ToolError('LAYERS_MISSING', `cannot save ${document.metadata.name}: ${counts}`)
  }
  const chosen = new Map(ids.map((id, index) => [id, manifest.layers[index]]))
  const layers = [...chosen].flatMap(([id, descriptor]) =>
    descriptor === undefined
      ? []
      : [{ id, tar: () => tarOf(store, descriptor, config.rootfs === undefined ? undefined : id) }],
  )
  await writeFile(file, archiveBytes(document, layers))
}

function tarOf(store: Store, descriptor: Descriptor, diffID: string | undefined): AsyncIterable<Buffer> {
  const { mediaType, digest, size } = descriptor
  const record = {
    type: 'layer',
    image: '1',
    mediaType,
    digest,
    size,
    ...(diffID !== undefined && { diffID }),
  } as const
  return layerBlob(record, one => store.openBlob(one)).tar()
}

async function writeFile(file: string, source: AsyncIterable<Buffer>): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}`)
  try {
    const output = fs.createWriteStream(temporary, { flags: 'wx', flush: true })
    await once(output, 'open')
    for await (const chunk of source) if (!output.write(chunk)) await once(output, 'drain')
    output.end()
    await once(output, 'close')
    fs.renameSync(temporary, file)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw systemError(error, `write "${file}"`)
  }
}

export interface LoadedArchive {
  readonly document: ImageDocument
  /** In the order of the document's layers. */
  readonly layers: readonly Descriptor[]
}

/**
 * Writes the layers of an archive, which may be compressed, into the store. Nothing gets a name yet.
 *
 * @throws ToolError `ARCHIVE_INVALID`, `LAYER_ID_MISMATCH`, `IMAGE_ID_MISMATCH`, `LAYERS_MISSING`; those of a broken
 * tar
 */
export async function loadArchive(
  store: Store,
  file: string,
  { stdin, newIDs = false, signal }: ClusterImageOptions,
): Promise<LoadedArchive> {
  const archive = readArchive(decompress(readBytes(file, stdin)))
  const packed = new Map<string, Descriptor & { readonly diffID: string }>()
  let next = await archive.next()
  for (; !next.done; next = await archive.next()) {
    packed.set(next.value.id, await packLayer(store, next.value, { newIDs, signal }))
  }
  const document = next.value
  checkID(document, { newIDs })
  const steps = (document.spec.layers ?? []).map(layer => ({ layer, found: packed.get(layer.id ?? '') }))
  const missing = steps.find(({ layer, found }) => layer.id !== undefined && found === undefined)
  if (missing !== undefined)
    throw new ToolError('LAYERS_MISSING', `cannot load the archive: it has no layer ${missing.layer.id}`)
  const own = steps.map(({ layer, found }) => (found === undefined ? layer : { ...layer, id: found.diffID }))
  const layers = steps.flatMap(({ found }) =>
    found === undefined ? [] : [{ mediaType: found.mediaType, digest: found.digest, size: found.size }],
  )
  return {
    document: withID({ ...document, spec: { ...document.spec, ...(own.length > 0 && { layers: own }) } }),
    layers,
  }
}

async function packLayer(
  store: Store,
  { id, tar }: ArchivedLayer,
  { newIDs, signal }: { newIDs: boolean; signal: AbortSignal | undefined },
): Promise<Descriptor & { diffID: string }> {
  const { mediaType, digest, size, diffID } = await packTar(tar, () => store.blobWriter(), {
    ...(signal && { signal }),
  })
  if (diffID === id || newIDs) return { mediaType, digest, size, diffID }
  throw new ToolError(
    'LAYER_ID_MISMATCH',
    `cannot load the archive: the content of layer ${id} has the digest ${diffID}`,
  )
}

function checkID(document: ImageDocument, { newIDs }: { readonly newIDs: boolean }): void {
  const actual = imageID(document)
  const { id = actual } = document.spec
  if (id === actual || newIDs) return
  throw new ToolError(
    'IMAGE_ID_MISMATCH',
    `cannot load the archive: its document has the id ${actual}, and says ${id}`,
  )
}
