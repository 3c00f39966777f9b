/**
 * Writes images into the folder of an engine, as blob-put does.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import { parseNormalized } from '@pipelayer/reference'
import { handmade, type Item, type Scope, tempDir } from '@pipelayer/testkit'
import { applyLayerOverlay } from '@pipelayer/unpacking'
import { ImageWriter } from '../src/index.js'
import { configOf, emptyFolder, sha256 } from './kit.js'

/** A new engine's folder. */
export function newFolder(t: Scope): string {
  const root = path.join(tempDir(t, 'engine'), 'docker')
  emptyFolder(root)
  return root
}

export function openWriter(t: Scope, root: string): ImageWriter {
  const writer = ImageWriter.open(root, async (tar, dir, lowers) => {
    await applyLayerOverlay(tar, dir, { lowers })
  })
  t.teardown(() => writer.close())
  return writer
}

export interface Blob {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
  readonly diffID: string
}

export const blobOf = (bytes: Buffer, mediaType: string): Blob => ({
  descriptor: { mediaType, digest: sha256(bytes), size: bytes.length },
  bytes,
  diffID: sha256(bytes),
})
export const plain = (items: readonly Item[]): Blob => blobOf(handmade(items), MEDIA_TYPES.ociLayer)
export const zipped = (items: readonly Item[]): Blob => {
  const tar = handmade(items)
  return { ...blobOf(zlib.gzipSync(tar), `${MEDIA_TYPES.ociLayer}+gzip`), diffID: sha256(tar) }
}

export interface Write {
  readonly layers: readonly Blob[]
  readonly name?: string
  readonly config?: Buffer
  readonly from?: readonly string[]
}

/** Puts blobs that are not there, then the image, as blob-put does. */
export async function put(writer: ImageWriter, { layers, name, config, from = [] }: Write): Promise<string> {
  const described = blobOf(config ?? configOf(layers), MEDIA_TYPES.ociConfig)
  for (const { descriptor, bytes } of [...layers, described])
    if (!writer.hasBlob(descriptor)) await writer.putBlob(descriptor, once(bytes), from)
  const common = { kind: 'manifest', schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest } as const
  const list = layers.map(({ descriptor }) => descriptor)
  const manifest = { ...common, config: described.descriptor, layers: list }
  return writer.putImage({ manifest, reference: name === undefined ? undefined : parseNormalized(name) })
}

export async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, void> {
  yield bytes
}

/** All names below a folder. */
export function treeOf(root: string): readonly string[] {
  return (fs.readdirSync(root, { recursive: true }) as string[]).sort()
}
