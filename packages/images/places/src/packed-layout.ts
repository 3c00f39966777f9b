import { type ArchiveFile, archiveName, CONTAINERD_NAME } from '@pipelayer/archives'
import { algorithmOf, checkContent, type Digest, digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { parseLayoutIndex, pinOf, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { type Descriptor, MAX_DOCUMENT, parseManifest } from '@pipelayer/oci'
import type { PlacedManifest } from './place.js'

/** The largest `index.json` that is read into memory: some 200,000 names. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024

/** The OCI layout in an archive, whose blobs and names are read where they lie. */
export class PackedLayout {
  readonly entries: readonly StoredDescriptor[]
  readonly #archive: ArchiveFile

  private constructor(archive: ArchiveFile, entries: readonly StoredDescriptor[]) {
    this.#archive = archive
    this.entries = entries
  }

  /** @throws ToolError `ARCHIVE_INVALID` if there is no `index.json`, as in an archive that was cut; `LAYOUT_INVALID` */
  static async of(archive: ArchiveFile): Promise<PackedLayout> {
    const text = await archive.document('index.json', MAX_INDEX_BYTES)
    const { manifests } = parseLayoutIndex(text.toString('utf8'), `index.json of ${archive.name}`)
    return new PackedLayout(archive, manifests)
  }

  /** As {@link of}; undefined if the archive has no layout. */
  static async ifThere(archive: ArchiveFile): Promise<PackedLayout | undefined> {
    return archive.find('index.json') === undefined ? undefined : PackedLayout.of(archive)
  }

  /** The names of an entry. */
  static namesOf({ annotations }: StoredDescriptor): readonly string[] {
    return [annotations?.[REF_NAME], annotations?.[CONTAINERD_NAME]].filter(name => name !== undefined)
  }

  /**
   * The entries that a name or a digest stands for, without those whose name pins another digest. Such a name asks for
   * exactly that content, so an archive, which anybody may have written, has to prove it.
   */
  async named(name: string): Promise<readonly StoredDescriptor[]> {
    const named = this.entries.filter(entry => PackedLayout.namesOf(entry).includes(name))
    const found = named.length > 0 ? named : this.entries.filter(({ digest }) => digest === name)
    const pin = pinOf(name)
    if (pin === undefined) return found
    const above = await this.manifest({ digest: pin }).catch(() => undefined)
    const listed = above?.document.kind === 'index' ? above.document.manifests : []
    return found.filter(({ digest }) => digest === pin || listed.some(entry => entry.digest === digest))
  }

  /**
   * A manifest or an index, checked against its digest; undefined if it is not in the archive.
   *
   * @throws ToolError `DIGEST_MISMATCH`, `SIZE_MISMATCH`, `DOCUMENT_TOO_LARGE`; those of `parseManifest`
   */
  async manifest({
    digest,
    size,
    mediaType,
  }: Pick<Descriptor, 'digest'> & Partial<Descriptor>): Promise<PlacedManifest | undefined> {
    const extent = this.#archive.find(archiveName(digest))
    if (extent === undefined) return undefined
    if (extent.size > MAX_DOCUMENT)
      throw new ToolError(
        'DOCUMENT_TOO_LARGE',
        `${digest} has ${extent.size} bytes, more than ${MAX_DOCUMENT}`,
      )
    const bytes = await this.#archive.bytes(extent)
    checkContent(
      { digest, ...(size !== undefined && { size }) },
      { digest: digestOf(bytes, algorithmOf(digest)), size: bytes.length },
    )
    const document = parseManifest(bytes, { mediaType })
    return { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes, document }
  }

  blobSize(digest: Digest): number | undefined {
    return this.#archive.find(archiveName(digest))?.size
  }

  /** The bytes of a blob; undefined if it is not in the archive. */
  blob(digest: Digest): AsyncIterable<Buffer> | undefined {
    const extent = this.#archive.find(archiveName(digest))
    return extent === undefined ? undefined : this.#archive.read(extent)
  }
}
