/**
 * sealer's archive of a cluster image: one tar.
 *
 *     <64 hex of a layer's id>/...   the layer's entries, layers in order
 *     image_metadata.yaml            the document
 *     Metadata                       {"name", "id"} as JSON
 *
 * Whiteouts are `.wh.` files, as in the layers. Spec: sealerio/sealer v0.7.1, pkg/image/default_image_file.go
 *
 * @module
 */

import { Hasher } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import {
  END_BLOCKS,
  encodeHeader,
  padding,
  type ReadEntry,
  readTar,
  type TarEntry,
  type TarEvent,
} from '@pipelayer/tar'
import { formatDocument, type ImageDocument, imageID, parseDocument } from './document.js'

const DOCUMENT = 'image_metadata.yaml'
const METADATA = 'Metadata'
const IN_LAYER = /^(?:\.\/)?([0-9a-f]{64})(?:\/(.*))?$/s

/** A layer to write into the archive: its id and its tar. */
export interface LayerTar {
  readonly id: string
  tar(): AsyncIterable<Buffer>
}

/**
 * Yields the bytes of an archive. Memory: the header of one entry.
 *
 * @throws ToolError `LAYER_ID_MISMATCH` for a layer whose tar another program wrote in a different form, so that the
 * archive could not give the layer back. The bytes up to there cannot be loaded.
 */
export async function* archiveBytes(
  document: ImageDocument,
  layers: readonly LayerTar[],
): AsyncGenerator<Buffer, void, void> {
  for (const layer of layers) yield* layerBytes(layer)
  const { name } = document.metadata
  yield* smallFile(DOCUMENT, formatDocument(document))
  yield* smallFile(METADATA, `${JSON.stringify({ name, id: document.spec.id ?? imageID(document) })}\n`)
  yield END_BLOCKS
}

async function* layerBytes({ id, tar }: LayerTar): AsyncGenerator<Buffer, void, void> {
  const prefix = id.replace(/^sha256:/, '')
  const hasher = new Hasher()
  let size = 0
  for await (const event of readTar(tar())) {
    if (event.type === 'entry') {
      const { entry } = event
      size = entry.size
      hasher.update(encodeHeader(entry))
      const linkname = entry.type === 'hardlink' ? `${prefix}/${entry.linkname}` : entry.linkname
      yield encodeHeader({ ...entry, name: `${prefix}/${entry.name}`, linkname })
    } else if (event.type === 'data') {
      hasher.update(event.bytes)
      yield event.bytes
    } else if (event.type === 'end') {
      const rest = padding(size)
      hasher.update(rest)
      yield rest
    }
  }
  hasher.update(END_BLOCKS)
  const digest = hasher.digest()
  if (digest !== id) {
    const why = `its tar was written by another program, and its entries give ${digest}`
    throw new ToolError('LAYER_ID_MISMATCH', `cannot save layer ${id}: ${why}`)
  }
}

function* smallFile(name: string, text: string): Generator<Buffer, void, void> {
  const content = Buffer.from(text)
  const time = { seconds: 0, nanoseconds: 0 }
  yield encodeHeader({ name, type: 'file', mode: 0o644, uid: 0, gid: 0, size: content.length, mtime: time })
  yield Buffer.concat([content, padding(content.length)])
}

/** One layer of an archive. It has to be read before the next one is asked for. */
export interface ArchivedLayer {
  /** The id that its folder claims: `sha256:` and 64 hexadecimal digits. */
  readonly id: string
  /** Its tar. */
  readonly tar: AsyncGenerator<Buffer, void, void>
}

/**
 * Reads an archive from front to back: first its layers, then its document. The reader of a layer compares the layer's
 * digest with its id.
 *
 * @throws ToolError `ARCHIVE_INVALID` for names outside of a layer's folder, links out of it, layers in pieces, no
 * document or two; those of the tar and of the document
 */
export async function* readArchive(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<ArchivedLayer, ImageDocument, void> {
  const events = readTar(source)
  const state: State = { next: await firstEntry(events), texts: new Map() }
  const done = new Set<string>()
  while (state.next !== undefined) {
    const id = IN_LAYER.exec(state.next.name)?.[1]
    if (id === undefined) {
      state.next = await readDocumentEntry(events, state.next, state.texts)
      continue
    }
    if (done.has(id)) throw invalid(`layer ${id} comes in pieces`)
    done.add(id)
    const tar = layerTar(events, id, state)
    yield { id: `sha256:${id}`, tar }
    // The rest of a layer that was not read is skipped.
    for await (const _ of tar);
  }
  const text = state.texts.get(DOCUMENT)
  if (text === undefined) throw invalid(`it has no ${DOCUMENT}: it is cut off, or no archive of sealer's`)
  return parseDocument(text, DOCUMENT)
}

interface State {
  /** The next entry, which is not read yet. */
  next: ReadEntry | undefined
  readonly texts: Map<string, string>
}

async function firstEntry(events: AsyncGenerator<TarEvent, void, void>): Promise<ReadEntry | undefined> {
  for (let one = await events.next(); !one.done; one = await events.next()) {
    if (one.value.type === 'entry') return one.value.entry
  }
  return undefined
}

async function* layerTar(
  events: AsyncGenerator<TarEvent, void, void>,
  id: string,
  state: State,
): AsyncGenerator<Buffer, void, void> {
  while (state.next !== undefined && IN_LAYER.exec(state.next.name)?.[1] === id) {
    const entry = innerEntry(state.next, id)
    if (entry !== undefined) yield encodeHeader(entry)
    let one = await events.next()
    for (; !one.done && one.value.type !== 'end'; one = await events.next()) {
      if (one.value.type === 'data') yield one.value.bytes
    }
    if (entry !== undefined) yield padding(entry.size)
    state.next = await firstEntry(events)
  }
  yield END_BLOCKS
}

/** `undefined` for the layer's folder itself. */
function innerEntry(entry: ReadEntry, id: string): TarEntry | undefined {
  const name = IN_LAYER.exec(entry.name)?.[2] ?? ''
  if (name === '') return undefined
  if (leaves(name)) throw invalid(`${JSON.stringify(entry.name)} leaves the folder of its layer`)
  if (entry.type !== 'hardlink') return { ...entry, name }
  const [, target, linkname = ''] = IN_LAYER.exec(entry.linkname) ?? []
  if (target !== id || linkname === '' || leaves(linkname))
    throw invalid(
      `${JSON.stringify(entry.name)} is a link to ${JSON.stringify(entry.linkname)}, out of its layer`,
    )
  return { ...entry, name, linkname }
}

function leaves(name: string): boolean {
  return name.split('/').includes('..')
}

async function readDocumentEntry(
  events: AsyncGenerator<TarEvent, void, void>,
  entry: ReadEntry,
  texts: Map<string, string>,
): Promise<ReadEntry | undefined> {
  const name = entry.name.replace(/^\.\//, '')
  if (name !== DOCUMENT && name !== METADATA)
    throw invalid(`${JSON.stringify(entry.name)} is neither in the folder of a layer nor a document`)
  if (entry.type !== 'file' || entry.size > MAX_DOCUMENT || texts.has(name))
    throw invalid(`${name} is no file of at most ${MAX_DOCUMENT} bytes, or comes twice`)
  const chunks: Buffer[] = []
  for (let one = await events.next(); !one.done && one.value.type !== 'end'; one = await events.next()) {
    if (one.value.type === 'data') chunks.push(Buffer.from(one.value.bytes))
  }
  texts.set(name, Buffer.concat(chunks).toString())
  return await firstEntry(events)
}

function invalid(why: string): ToolError {
  return new ToolError('ARCHIVE_INVALID', `cannot load the archive: ${why}`)
}
