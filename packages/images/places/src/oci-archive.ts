/**
 * `oci-archive:FILE[:TAG|:@N|:@DIGEST]`: an OCI image layout in a tar, as skopeo and podman read and write it. FILE is
 * `-` for stdin or stdout; a compressed archive is read, and a plain one is written.
 *
 * @module
 */
import path from 'node:path'
import { ArchiveFile } from '@pipelayer/archives'
import { ToolError } from '@pipelayer/errors'
import type { StoredDescriptor } from '@pipelayer/layout'
import { type Descriptor, isIndexType, isManifestType } from '@pipelayer/oci'
import { GRAMMAR, isRefName } from '@pipelayer/reference'
import { ArchivePlaceWriter, openArchiveOutput } from './archive-writing.js'
import { listed, REFERRERS } from './layout-place.js'
import { type OciName, parseOci } from './oci.js'
import { PackedLayout } from './packed-layout.js'
import type { Place, PlacedManifest, PlaceOptions, PlaceReader, PlaceWriter } from './place.js'
import { refusing } from './refusing.js'
import { STANDARD } from './standard.js'

const TRANSPORT = 'oci-archive'

/** The file is opened when something is first asked of the place. */
export function openOciArchive(rest: string, options: PlaceOptions): Place {
  const name = parseOci(rest, TRANSPORT)
  const isStandard = name.directory === STANDARD
  const file = isStandard ? STANDARD : path.resolve(name.directory)
  const text = `${TRANSPORT}:${file}`
  const reader = new OciArchiveReader({ ...name, directory: file }, options)
  const writer = writerOf({ ...name, directory: file }, options)
  return {
    traits: { isLocal: !isStandard, isStore: false, isStaged: false, isSerial: true },
    text,
    ...(isStandard && { origins: [] }),
    read: reader,
    write: writer,
    close: async () => {
      await reader.close()
      await writer.close()
    },
  }
}

type Writer = PlaceWriter & { close(): Promise<void> }

function writerOf({ directory: file, tag, index, digest }: OciName, options: PlaceOptions): Writer {
  const text = `${TRANSPORT}:${file}`
  const chosen = digest ?? index
  if (chosen !== undefined) return refusing(`cannot write to ${text}:@${chosen}: give a name`)
  const names = [tag, ...(options.run?.additionalTags ?? [])].filter(name => name !== undefined)
  const wrong = names.find(name => !isRefName(name) && !GRAMMAR.reference.test(name))
  if (wrong !== undefined)
    return refusing(`cannot write to ${text}: ${JSON.stringify(wrong)} is no name of an image`)
  const published = { place: tag === undefined ? text : `${text}:${tag}` }
  const open = () => openArchiveOutput(file, { text, run: options.run })
  return new ArchivePlaceWriter({ form: 'oci', open, names, text, published }, options)
}

class OciArchiveReader implements PlaceReader {
  readonly #name: OciName
  readonly #options: PlaceOptions
  #opened: Promise<{ readonly archive: ArchiveFile; readonly layout: PackedLayout }> | undefined

  constructor(name: OciName, options: PlaceOptions) {
    this.#name = name
    this.#options = options
  }

  async resolve(digest?: string): Promise<PlacedManifest> {
    const { layout } = await this.#open()
    const wanted = digest ?? this.#name.digest
    const found = await layout.manifest(wanted === undefined ? await this.#entry(layout) : { digest: wanted })
    if (found !== undefined) return found
    throw new ToolError('MANIFEST_UNKNOWN', `there is no manifest ${wanted ?? ''} in ${this.#name.directory}`)
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    const bytes = (await this.#open()).layout.blob(digest)
    if (bytes === undefined)
      throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in ${this.#name.directory}`)
    yield* bytes
  }

  async blobSize(digest: string): Promise<number | undefined> {
    return (await this.#open()).layout.blobSize(digest)
  }

  async referrers(digest: string): Promise<readonly Descriptor[]> {
    const { layout } = await this.#open()
    return REFERRERS.of(
      {
        manifests: () => listed(layout.entries),
        hasManifest: listing => layout.blobSize(listing) !== undefined,
        manifest: async listing => (await this.resolve(listing)).bytes,
      },
      digest,
    )
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    await opened?.archive.close()
  }

  #open(): Promise<{ readonly archive: ArchiveFile; readonly layout: PackedLayout }> {
    this.#opened ??= this.#read()
    return this.#opened
  }

  async #read(): Promise<{ readonly archive: ArchiveFile; readonly layout: PackedLayout }> {
    const archive = await ArchiveFile.open(this.#name.directory, { stdin: this.#options.run?.stdin })
    try {
      return { archive, layout: await PackedLayout.of(archive) }
    } catch (error) {
      await archive.close()
      throw error
    }
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS`, `MEDIA_TYPE_UNSUPPORTED` */
  async #entry(layout: PackedLayout): Promise<StoredDescriptor> {
    const { tag, index, directory: file } = this.#name
    const all = layout.entries
    const fitting =
      tag !== undefined ? await layout.named(tag) : index === undefined ? all : all.slice(index, index + 1)
    const [entry] = fitting
    const names = (entries: readonly StoredDescriptor[]): string =>
      entries
        .map((one, at) => PackedLayout.namesOf(one)[0] ?? `@${at}`)
        .slice(0, 20)
        .join(', ')
    if (entry === undefined) {
      const which = tag ?? (index === undefined ? 'at all' : `@${index}`)
      throw new ToolError(
        'MANIFEST_UNKNOWN',
        `no image ${which} in ${file}: there is ${names(all) || 'none'}`,
      )
    }
    // Several names of one image are no choice.
    if (fitting.some(({ digest }) => digest !== entry.digest))
      throw new ToolError('REFERENCE_AMBIGUOUS', `several images in ${file}, say which: ${names(fitting)}`)
    if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType))
      throw new ToolError(
        'MEDIA_TYPE_UNSUPPORTED',
        `${entry.digest} in ${file} is no image but ${entry.mediaType}`,
      )
    return entry
  }
}
