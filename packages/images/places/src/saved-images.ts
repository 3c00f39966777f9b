import { createHash } from 'node:crypto'
import { type ArchiveFile, archiveContent, type Extent, invalid } from '@pipelayer/archives'
import { detectCompression, MAGIC_SIZE } from '@pipelayer/compress'
import { type Digest, digestOf } from '@pipelayer/digest'
import { type Descriptor, isObject, layerMediaType, MEDIA_TYPES, parseConfig } from '@pipelayer/oci'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'

/** An image of an archive. */
export interface ArchiveImage {
  /** Its `RepoTags`, fully qualified. */
  readonly references: readonly string[]
  readonly config: Descriptor
  /** Base first. */
  readonly layers: readonly Descriptor[]
}

interface ManifestEntry {
  readonly Config: string
  readonly RepoTags: readonly string[]
  readonly Layers: readonly string[]
}

/**
 * The images of a file that `docker save` wrote. Compressed layers are read through for their digests, unless the archive
 * names them by those; the digests of plain layers are the diffIDs of the config.
 *
 * Spec: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
 */
export class SavedImages {
  readonly images: readonly ArchiveImage[]
  readonly #archive: ArchiveFile
  readonly #blobs: ReadonlyMap<Digest, Extent>

  private constructor(
    archive: ArchiveFile,
    images: readonly ArchiveImage[],
    blobs: ReadonlyMap<Digest, Extent>,
  ) {
    this.#archive = archive
    this.images = images
    this.#blobs = blobs
  }

  /** Finds the images of an archive. @throws ToolError `ARCHIVE_INVALID`, `CONFIG_INVALID`, `REFERENCE_INVALID` */
  static async of(archive: ArchiveFile): Promise<SavedImages> {
    const blobs = new Map<Digest, Extent>()
    const reader = new ImageReader(archive, blobs)
    const images: ArchiveImage[] = []
    for (const entry of parseEntries(await archive.document('manifest.json'), archive.name))
      images.push(await reader.image(entry))
    return new SavedImages(archive, images, blobs)
  }

  blobSize(digest: Digest): number | undefined {
    return this.#blobs.get(digest)?.size
  }

  /** The bytes of a blob; undefined if no image has it. */
  blob(digest: Digest): AsyncIterable<Buffer> | undefined {
    const extent = this.#blobs.get(digest)
    return extent === undefined ? undefined : this.#archive.read(extent)
  }
}

class ImageReader {
  readonly #archive: ArchiveFile
  /** Is filled with every blob that an image has. */
  readonly #blobs: Map<Digest, Extent>

  constructor(archive: ArchiveFile, blobs: Map<Digest, Extent>) {
    this.#archive = archive
    this.#blobs = blobs
  }

  async image({ Config, RepoTags, Layers }: ManifestEntry): Promise<ArchiveImage> {
    const archive = this.#archive
    const bytes = await archive.document(Config)
    const config = describeBytes(MEDIA_TYPES.ociConfig, bytes)
    this.#blobs.set(config.digest, archive.extent(Config))
    const diffIDs = parseConfig(bytes).rootfs.diff_ids
    if (diffIDs.length !== Layers.length)
      throw invalid(archive.name, `"${Config}" has ${diffIDs.length} layers, manifest.json ${Layers.length}`)
    const layers: Descriptor[] = []
    for (const [index, name] of Layers.entries()) layers.push(await this.#layer(name, diffIDs[index] ?? ''))
    const references = RepoTags.map(tag => formatReference(withDefaultTag(parseNormalized(tag))))
    return { references, config, layers }
  }

  async #layer(name: string, diffID: Digest): Promise<Descriptor> {
    const archive = this.#archive
    const extent = archive.extent(name)
    const head = await archive.bytes({ ...extent, size: Math.min(MAGIC_SIZE, extent.size) })
    const compression = detectCompression(head)
    if (compression !== 'none' && compression !== 'gzip')
      throw invalid(
        archive.name,
        `layer "${name}" is compressed by ${compression}, which Docker's manifests cannot name`,
      )
    const digest = compression === 'none' ? diffID : (namedDigest(name) ?? (await this.#digestOf(extent)))
    this.#blobs.set(digest, extent)
    return { mediaType: layerMediaType('oci', compression), digest, size: extent.size }
  }

  async #digestOf(extent: Extent): Promise<Digest> {
    const hash = createHash('sha256')
    for await (const chunk of this.#archive.read(extent)) hash.update(chunk)
    return `sha256:${hash.digest('hex')}`
  }
}

// In archives of newer engines, a layer lies under its digest, which its reader compares as that of any other blob.
function namedDigest(name: string): Digest | undefined {
  const content = archiveContent(name)
  return content.kind === 'blob' && content.offset === 0 ? content.digest : undefined
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

/** @internal */
export function describeBytes(mediaType: string, bytes: Buffer): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}
