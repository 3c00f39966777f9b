import { createHash } from 'node:crypto'
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { detectCompression, MAGIC_SIZE } from '@pipelayer/compress'
import { type Digest, digestOf } from '@pipelayer/digest'
import { systemError, ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  isObject,
  layerMediaType,
  MAX_DOCUMENT,
  MEDIA_TYPES,
  parseConfig,
} from '@pipelayer/oci'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { TarParser } from '@pipelayer/tar'

/** An image of an archive. */
export interface ArchiveImage {
  /** Its `RepoTags`, fully qualified. */
  readonly references: readonly string[]
  readonly config: Descriptor
  /** Base first. */
  readonly layers: readonly Descriptor[]
}

/** Position and length of content in the archive, in bytes. */
interface Extent {
  readonly offset: number
  readonly size: number
}

interface ManifestEntry {
  readonly Config: string
  readonly RepoTags: readonly string[]
  readonly Layers: readonly string[]
}

const CHUNK = 1024 * 1024
/**
 * How many links are followed. In archives of older engines, a layer may be a link to the same layer of another image.
 */
const MAX_LINKS = 16

/**
 * The images of a file that `docker save` wrote. The file is read through once, to find where its content lies.
 * Compressed layers are read once more for their digests; the digests of plain layers are the diffIDs of the config.
 * Memory: the names in the archive.
 *
 * Spec: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
 */
export class SavedImages {
  readonly images: readonly ArchiveImage[]
  readonly #handle: FileHandle
  readonly #blobs: ReadonlyMap<Digest, Extent>

  private constructor(
    handle: FileHandle,
    images: readonly ArchiveImage[],
    blobs: ReadonlyMap<Digest, Extent>,
  ) {
    this.#handle = handle
    this.images = images
    this.#blobs = blobs
  }

  /**
   * Opens a file and finds its images.
   *
   * @throws ToolError `FILE_INVALID` for a pipe or the like, since an archive is read more than once;
   * `ARCHIVE_INVALID`, `TAR_INVALID`, `TAR_TRUNCATED`, `CONFIG_INVALID`; errors of the system
   */
  static async open(file: string): Promise<SavedImages> {
    // Opening a FIFO would otherwise wait for a writer.
    const flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK
    const handle = await fs.promises.open(file, flags).catch((error: unknown) => {
      throw systemError(error, `open "${file}"`)
    })
    try {
      if (!(await handle.stat()).isFile())
        throw new ToolError('FILE_INVALID', `cannot read images from "${file}": it is no regular file`)
      const names = await indexOf(handle, file)
      const blobs = new Map<Digest, Extent>()
      const reader = new ImageReader({ handle, file, names, blobs })
      const images: ArchiveImage[] = []
      for (const entry of parseEntries(await reader.document('manifest.json'), file))
        images.push(await reader.image(entry))
      return new SavedImages(handle, images, blobs)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  blobSize(digest: Digest): number | undefined {
    return this.#blobs.get(digest)?.size
  }

  /** @throws ToolError `BLOB_UNKNOWN` */
  async *blob(digest: Digest): AsyncGenerator<Buffer, void, undefined> {
    const extent = this.#blobs.get(digest)
    if (extent === undefined) throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in the archive`)
    yield* read(this.#handle, extent)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

interface ReaderOptions {
  readonly handle: FileHandle
  /** For messages. */
  readonly file: string
  readonly names: ReadonlyMap<string, Extent>
  /** Is filled with every blob that an image has. */
  readonly blobs: Map<Digest, Extent>
}

class ImageReader {
  readonly #options: ReaderOptions

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  async document(name: string): Promise<Buffer> {
    const { file, handle } = this.#options
    const extent = this.#extent(name)
    if (extent.size > MAX_DOCUMENT) throw invalid(file, `"${name}" has more than ${MAX_DOCUMENT} bytes`)
    return await collected(read(handle, extent))
  }

  async image({ Config, RepoTags, Layers }: ManifestEntry): Promise<ArchiveImage> {
    const { file, blobs } = this.#options
    const bytes = await this.document(Config)
    const config = describeBytes(MEDIA_TYPES.ociConfig, bytes)
    blobs.set(config.digest, this.#extent(Config))
    const diffIDs = parseConfig(bytes).rootfs.diff_ids
    if (diffIDs.length !== Layers.length)
      throw invalid(file, `"${Config}" has ${diffIDs.length} layers, manifest.json ${Layers.length}`)
    const layers: Descriptor[] = []
    for (const [index, name] of Layers.entries()) layers.push(await this.#layer(name, diffIDs[index] ?? ''))
    const references = RepoTags.map(tag => formatReference(withDefaultTag(parseNormalized(tag))))
    return { references, config, layers }
  }

  async #layer(name: string, diffID: Digest): Promise<Descriptor> {
    const { handle, blobs, file } = this.#options
    const extent = this.#extent(name)
    const head = await collected(read(handle, { ...extent, size: Math.min(MAGIC_SIZE, extent.size) }))
    const compression = detectCompression(head)
    if (compression !== 'none' && compression !== 'gzip')
      throw invalid(
        file,
        `layer "${name}" is compressed by ${compression}, which Docker's manifests cannot name`,
      )
    const digest = compression === 'none' ? diffID : await digestIn(handle, extent)
    blobs.set(digest, extent)
    return { mediaType: layerMediaType('oci', compression), digest, size: extent.size }
  }

  #extent(name: string): Extent {
    const extent = this.#options.names.get(path.posix.normalize(name))
    if (extent === undefined) throw invalid(this.#options.file, `there is no "${name}" in it`)
    return extent
  }
}

/** The files of an archive by name, with links resolved. If a name occurs twice, the last file counts. */
async function indexOf(handle: FileHandle, file: string): Promise<Map<string, Extent>> {
  const names = new Map<string, Extent>()
  const links = new Map<string, string>()
  const parser = new TarParser()
  const { size } = await handle.stat()
  for await (const chunk of read(handle, { offset: 0, size }))
    for (const event of parser.push(chunk)) {
      if (event.type !== 'entry') continue
      const { entry, dataOffset } = event
      const name = path.posix.normalize(entry.name)
      if (entry.typeflag === 'S') throw invalid(file, `"${name}" is a sparse file`)
      if (entry.type === 'file') names.set(name, { offset: dataOffset, size: entry.size })
      else if (entry.type === 'hardlink') links.set(name, path.posix.normalize(entry.linkname))
      else if (entry.type === 'symlink')
        links.set(name, path.posix.join(path.posix.dirname(name), entry.linkname))
    }
  parser.finish()
  for (const name of links.keys()) {
    const found = target(name, links, names)
    if (found !== undefined) names.set(name, found)
  }
  return names
}

function target(
  name: string,
  links: ReadonlyMap<string, string>,
  names: ReadonlyMap<string, Extent>,
): Extent | undefined {
  let at: string | undefined = name
  for (let steps = 0; at !== undefined && steps < MAX_LINKS; steps++) {
    const found = names.get(at)
    if (found !== undefined) return found
    at = links.get(at)
  }
  return undefined
}

function parseEntries(bytes: Buffer, file: string): ManifestEntry[] {
  let list: unknown
  try {
    list = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw invalid(file, 'its manifest.json is not JSON', cause)
  }
  if (!Array.isArray(list)) throw invalid(file, 'its manifest.json is not a list')
  return list.map((entry: unknown) => {
    const { Config, RepoTags, Layers } = isObject(entry) ? entry : {}
    if (typeof Config !== 'string') throw invalid(file, 'an image of its manifest.json has no Config')
    return { Config, RepoTags: strings(RepoTags, file), Layers: strings(Layers, file) }
  })
}

// Go writes null for an empty list.
function strings(value: unknown, file: string): readonly string[] {
  const list = value ?? []
  if (Array.isArray(list) && list.every(item => typeof item === 'string')) return list
  throw invalid(file, 'its manifest.json has RepoTags or Layers that are no lists of strings')
}

async function* read(handle: FileHandle, { offset, size }: Extent): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < size; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset + at)
    // The file was cut in the meantime. The reader of the bytes notices that some are missing.
    if (bytesRead === 0) return
    yield chunk.subarray(0, bytesRead)
    at += bytesRead
  }
}

async function collected(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function digestIn(handle: FileHandle, extent: Extent): Promise<Digest> {
  const hash = createHash('sha256')
  for await (const chunk of read(handle, extent)) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}

/** @internal */
export function describeBytes(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

function invalid(file: string, why: string, cause?: unknown): ToolError {
  return new ToolError('ARCHIVE_INVALID', `cannot read images from "${file}": ${why}`, { cause })
}
