/**
 * `docker-archive:FILE[:REFERENCE|:@N]`: a file that `docker save` wrote, in its old form or in that of OCI layouts;
 * both have a `manifest.json`. It is written in the form that Docker 25 began, which older engines load as well. FILE is
 * `-` for stdin or stdout; a compressed archive is read, and a plain one is written.
 *
 * @module
 */
import path from 'node:path'
import { ArchiveFile } from '@pipelayer/archives'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, type Manifest, MEDIA_TYPES, parseManifest } from '@pipelayer/oci'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { ArchivePlaceWriter, openArchiveOutput } from './archive-writing.js'
import { PackedLayout } from './packed-layout.js'
import type { Place, PlacedManifest, PlaceOptions, PlaceReader } from './place.js'
import { refusing } from './refusing.js'
import { type ArchiveImage, describeBytes, SavedImages } from './saved-images.js'
import { STANDARD } from './standard.js'

/** The parts of a `docker-archive:` name. */
export interface DockerArchiveName {
  readonly file: string
  /** With its domain and its tag. */
  readonly reference?: string
  /** Position in `manifest.json`, from 0. */
  readonly index?: number
}

/** The file is opened when something is first asked of the place. */
export function openDockerArchive(rest: string, options: PlaceOptions): Place {
  const name = parseDockerArchive(rest)
  const isStandard = name.file === STANDARD
  const file = isStandard ? STANDARD : path.resolve(name.file)
  const text = `docker-archive:${file}`
  const reader = new ArchiveReader({ ...name, file }, () =>
    ArchiveFile.open(file, { stdin: options.run?.stdin }),
  )
  const { reference, index } = name
  const names = [reference, ...additionalTags(options)].filter(one => one !== undefined)
  const published = {
    place: reference === undefined ? text : `${text}:${reference}`,
    ...(reference !== undefined && { reference }),
  }
  const open = () => openArchiveOutput(file, { text, run: options.run })
  const writer = new ArchivePlaceWriter({ form: 'docker', open, names, text, published }, options)
  return {
    traits: { isLocal: !isStandard, isStore: false, isStaged: false, isSerial: true },
    text,
    ...(isStandard && { origins: [] }),
    ...(reference !== undefined && { reference }),
    read: reader,
    write: index === undefined ? writer : refusing(`cannot write to ${text}:@${index}: give a name`),
    close: async () => {
      await reader.close()
      await writer.close()
    },
  }
}

/** The further names of an image, with their tags. */
export function additionalTags({ run }: PlaceOptions): readonly (string | undefined)[] {
  return (run?.additionalTags ?? []).map(tag => parseDockerArchive(`${STANDARD}:${tag}`).reference)
}

/**
 * Splits the text after `docker-archive:`. The first colon ends FILE. A reference may have a tag but no digest, because
 * the archive names its images by tags alone.
 *
 * @throws ToolError `PLACE_INVALID`, `REFERENCE_INVALID`
 */
export function parseDockerArchive(rest: string): DockerArchiveName {
  const colon = rest.indexOf(':')
  const file = colon < 0 ? rest : rest.slice(0, colon)
  const text = colon < 0 ? '' : rest.slice(colon + 1)
  const wrong = (why: string): ToolError =>
    new ToolError('PLACE_INVALID', `invalid place "docker-archive:${rest}": ${why}`)
  if (file === '') throw wrong('expected docker-archive:FILE[:REFERENCE]')
  if (text === '') return { file }
  if (text.startsWith('@')) {
    if (!/^@\d{1,9}$/.test(text)) throw wrong('@ is followed by the number of an image, from 0')
    return { file, index: Number(text.slice(1)) }
  }
  const reference = parseNormalized(text)
  if (reference.digest !== undefined) throw wrong('images of an archive have tags, not digests')
  return { file, reference: formatReference(withDefaultTag(reference)) }
}

interface Opened {
  readonly archive: ArchiveFile
  readonly saved: SavedImages
  /** Newer engines write an OCI layout into the same archive. */
  readonly roots: readonly Root[]
  readonly layout: PackedLayout | undefined
}

/** An image in the index of the layout. */
interface Root {
  readonly names: readonly string[]
  readonly placed: PlacedManifest
  /** Its manifest, or all manifests of its index that are in the archive. */
  readonly manifests: readonly PlacedManifest[]
}

/**
 * `manifest.json` says which images there are. Their real manifests, and the indexes above those, are taken from the
 * layout in the same archive if their configs are the same, so that digests stay as they were.
 */
export class ArchiveReader implements PlaceReader {
  readonly #name: DockerArchiveName
  readonly #openFile: () => Promise<ArchiveFile>
  #opened: Promise<Opened> | undefined

  /** @param open - is called when something is first asked */
  constructor(name: DockerArchiveName, open: () => Promise<ArchiveFile>) {
    this.#name = name
    this.#openFile = open
  }

  async resolve(digest?: string): Promise<PlacedManifest> {
    const opened = await this.#open()
    if (digest === undefined) return this.#chosen(opened)
    const found =
      (await opened.layout?.manifest({ digest })) ??
      opened.saved.images.map(manifestOf).find(manifest => manifest.descriptor.digest === digest)
    if (found !== undefined) return found
    throw new ToolError('MANIFEST_UNKNOWN', `there is no manifest ${digest} in ${this.#name.file}`)
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    const { saved, layout } = await this.#open()
    const bytes = saved.blob(digest) ?? layout?.blob(digest)
    if (bytes === undefined) throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in ${this.#name.file}`)
    yield* bytes
  }

  async blobSize(digest: string): Promise<number | undefined> {
    const { saved, layout } = await this.#open()
    return saved.blobSize(digest) ?? layout?.blobSize(digest)
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    await opened?.archive.close()
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#read()
    return this.#opened
  }

  async #read(): Promise<Opened> {
    const archive = await this.#openFile()
    try {
      const saved = await SavedImages.of(archive)
      const layout = await PackedLayout.ifThere(archive)
      return { archive, saved, layout, roots: layout === undefined ? [] : await rootsOf(layout) }
    } catch (error) {
      await archive.close()
      throw error
    }
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS` */
  #chosen({ saved: { images }, roots }: Opened): PlacedManifest {
    const { file, reference, index } = this.#name
    const fitting = images.filter(
      (image, at) =>
        (reference === undefined || image.references.includes(reference)) &&
        (index === undefined || index === at),
    )
    const [image, ...others] = fitting
    const names = images.map((one, at) => one.references[0] ?? `@${at}`).slice(0, 20)
    if (image === undefined) {
      const which = reference ?? (index === undefined ? 'at all' : `@${index}`)
      const there = names.join(', ') || 'none'
      throw new ToolError('MANIFEST_UNKNOWN', `no image ${which} in ${file}: there is ${there}`)
    }
    const own = roots.filter(root => fitting.every(one => manifestIn(root, one) !== undefined))
    const named = own.filter(root => reference !== undefined && root.names.includes(reference))
    const root = named[0] ?? own[0]
    if (index === undefined && root !== undefined) return root.placed
    if (others.length > 0)
      throw new ToolError('REFERENCE_AMBIGUOUS', `several images in ${file}, say which: ${names.join(', ')}`)
    return (root && manifestIn(root, image)) ?? manifestOf(image)
  }
}

async function rootsOf(layout: PackedLayout): Promise<Root[]> {
  const roots: Root[] = []
  for (const entry of layout.entries) {
    const placed = await layout.manifest(entry)
    if (placed === undefined) continue
    const { document } = placed
    const below = document.kind === 'index' ? document.manifests : []
    const manifests = document.kind === 'manifest' ? [placed] : []
    for (const child of below) {
      const manifest = await layout.manifest(child)
      if (manifest !== undefined) manifests.push(manifest)
    }
    roots.push({ names: PackedLayout.namesOf(entry), placed, manifests })
  }
  return roots
}

/** The manifest of an image of `manifest.json` in an image of the layout. */
function manifestIn({ manifests }: Root, { config }: ArchiveImage): PlacedManifest | undefined {
  return manifests.find(
    ({ document }) => document.kind === 'manifest' && document.config.digest === config.digest,
  )
}

/**
 * Makes the manifest of an image from its config and layers, because the archive has none as registries have. The
 * result is always the same, byte for byte. It is an OCI manifest, since every place takes those, while older tools do
 * not find a Docker manifest in a layout.
 */
export function manifestOf({
  config,
  layers,
  annotations,
}: Pick<Manifest, 'config' | 'layers' | 'annotations'>): PlacedManifest {
  const mediaType = MEDIA_TYPES.ociManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers, annotations }))
  const document = parseManifest(bytes) as Manifest
  return { descriptor: describeBytes(mediaType, bytes), bytes, document }
}
