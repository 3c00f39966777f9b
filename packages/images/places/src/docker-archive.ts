/**
 * `docker-archive:FILE[:REFERENCE|:@N]`: a file that `docker save` wrote, in its old form or in that of OCI layouts;
 * both have a `manifest.json`. Such files are only read, never written.
 *
 * @module
 */
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, type Manifest, MEDIA_TYPES, parseManifest } from '@pipelayer/oci'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import type { Place, PlacedManifest, PlaceReader, PlaceWriter } from './place.js'
import { type ArchiveImage, describeBytes, SavedImages } from './saved-images.js'

/** The parts of a `docker-archive:` name. */
export interface DockerArchiveName {
  readonly file: string
  /** With its domain and its tag. */
  readonly reference?: string
  /** Position in `manifest.json`, from 0. */
  readonly index?: number
}

/** The file is opened when something is first asked of the place. */
export function openDockerArchive(rest: string): Place {
  const name = parseDockerArchive(rest)
  const file = path.resolve(name.file)
  const reader = new ArchiveReader({ ...name, file })
  return {
    traits: { isLocal: true, isStore: false, isStaged: false },
    text: `docker-archive:${file}`,
    ...(name.reference !== undefined && { reference: name.reference }),
    read: reader,
    write: refusing(file),
    close: async () => reader.close(),
  }
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

class ArchiveReader implements PlaceReader {
  readonly #name: DockerArchiveName
  #saved: Promise<SavedImages> | undefined

  constructor(name: DockerArchiveName) {
    this.#name = name
  }

  async resolve(digest?: string): Promise<PlacedManifest> {
    const saved = await this.#open()
    const manifests = saved.images.map(manifestOf)
    const found =
      digest === undefined
        ? manifests[saved.images.indexOf(this.#chosen(saved.images))]
        : manifests.find(manifest => manifest.descriptor.digest === digest)
    if (found !== undefined) return found
    throw new ToolError('MANIFEST_UNKNOWN', `there is no manifest ${digest} in ${this.#name.file}`)
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    yield* (await this.#open()).blob(digest)
  }

  async blobSize(digest: string): Promise<number | undefined> {
    return (await this.#open()).blobSize(digest)
  }

  close(): void {
    void this.#saved?.then(saved => saved.close()).catch(() => undefined)
  }

  #open(): Promise<SavedImages> {
    this.#saved ??= SavedImages.open(this.#name.file)
    return this.#saved
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS` */
  #chosen(images: readonly ArchiveImage[]): ArchiveImage {
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
    if (others.length > 0)
      throw new ToolError('REFERENCE_AMBIGUOUS', `several images in ${file}, say which: ${names.join(', ')}`)
    return image
  }
}

/**
 * Makes the manifest of an image from its config and layers, because the archive has none as registries have. The
 * result is always the same, byte for byte. It is an OCI manifest, since every place takes those, while older tools do
 * not find a Docker manifest in a layout.
 */
function manifestOf({ config, layers }: ArchiveImage): PlacedManifest {
  const mediaType = MEDIA_TYPES.ociManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
  const document = parseManifest(bytes) as Manifest
  return { descriptor: describeBytes(mediaType, bytes), bytes, document }
}

function refusing(file: string): PlaceWriter {
  const refuse = (): never => {
    throw new ToolError('PLACE_INVALID', `cannot write to docker-archive:${file}: such a file is only read`)
  }
  return { hasBlob: refuse, hasManifest: refuse, putBlob: refuse, putManifest: refuse, publish: refuse }
}
