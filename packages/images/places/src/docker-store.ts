/**
 * `docker-store:ROOT[:IMAGE]`: the folder of a Docker engine with the graph driver overlay2, `/var/lib/docker`. It is read
 * while the engine runs, and written while it does not. IMAGE is `NAME[:TAG]`, `NAME@DIGEST`, or an id or its beginning.
 *
 * @module
 */
import path from 'node:path'
import { Hasher } from '@pipelayer/digest'
import {
  DockerFolder,
  type ImageName,
  ImageWriter,
  parseImageName,
  type StoredLayer,
} from '@pipelayer/docker-folder'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isConfigType, type Manifest, MEDIA_TYPES, parseManifest } from '@pipelayer/oci'
import { parseNormalized } from '@pipelayer/reference'
import { manifestOf } from './docker-archive.js'
import type {
  OpenBlob,
  Place,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceWriter,
  Published,
} from './place.js'
import { describeBytes } from './saved-images.js'

const TRANSPORT = 'docker-store:'

/** The parts of a `docker-store:` name. */
export interface DockerStoreName {
  /** Absolute. */
  readonly root: string
  readonly image?: ImageName
}

/** The folder is looked at when something is first asked of the place. */
export function openDockerStore(rest: string, options: PlaceOptions): Place {
  const name = parseDockerStore(rest)
  const reference = name.image?.reference
  const writer = new DockerStoreWriter(name, options)
  return {
    traits: { isLocal: true, isStore: false, isStaged: true, isSerial: true },
    text: `${TRANSPORT}${name.root}`,
    ...(reference !== undefined && { reference }),
    read: new DockerStoreReader(name),
    write: writer,
    close: async () => writer.close(),
  }
}

/**
 * Splits the text after `docker-store:`. The first colon ends ROOT.
 *
 * @throws ToolError `PLACE_INVALID`, `REFERENCE_INVALID`
 */
export function parseDockerStore(rest: string): DockerStoreName {
  const colon = rest.indexOf(':')
  const root = colon < 0 ? rest : rest.slice(0, colon)
  const image = colon < 0 ? '' : rest.slice(colon + 1)
  if (root === '')
    throw new ToolError(
      'PLACE_INVALID',
      `invalid place "${TRANSPORT}${rest}": expected ${TRANSPORT}ROOT[:IMAGE]`,
    )
  return { root: path.resolve(root), ...(image !== '' && { image: parseImageName(image) }) }
}

/** The place of each image that has a name, if the name says none; an image with several names is there once for each tag. */
export function dockerStoreImages(rest: string): readonly string[] {
  const { root, image } = parseDockerStore(rest)
  if (image !== undefined) return [TRANSPORT + rest]
  const names = DockerFolder.open(root).names().entries()
  const tagged = names.filter(([name]) => !name.includes('@'))
  const untagged = names.filter(([, id]) => !tagged.some(([, other]) => other === id))
  return [...tagged, ...untagged].map(([name]) => `${TRANSPORT}${root}:${name}`)
}

/**
 * Layers are plain tars here, as the engine unpacked them. The manifest is made from config and layers, as for an archive
 * of `docker save`, since the engine keeps none.
 */
class DockerStoreReader implements PlaceReader {
  readonly #name: DockerStoreName
  /** The layers of the images that were resolved, by diffID. */
  readonly #layers = new Map<string, StoredLayer>()
  #folder: DockerFolder | undefined
  #chosen: PlacedManifest | undefined

  constructor(name: DockerStoreName) {
    this.#name = name
  }

  async resolve(digest?: string): Promise<PlacedManifest> {
    const folder = this.#open()
    this.#chosen ??=
      digest === undefined ? await this.#manifest(folder, folder.find(this.#name.image)) : undefined
    if (this.#chosen !== undefined && [undefined, this.#chosen.descriptor.digest].includes(digest))
      return this.#chosen
    for (const id of folder.ids()) {
      const found = await this.#manifest(folder, id)
      if (found.descriptor.digest === digest) return found
    }
    throw new ToolError(
      'MANIFEST_UNKNOWN',
      `there is no manifest ${digest} in ${TRANSPORT}${this.#name.root}`,
    )
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    const folder = this.#open()
    const layer = this.#layer(folder, digest)
    if (layer !== undefined) yield* folder.tar(layer)
    else if (folder.ids().includes(digest)) yield folder.image(digest).bytes
    else throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in ${TRANSPORT}${this.#name.root}`)
  }

  async blobSize(digest: string): Promise<number | undefined> {
    const folder = this.#open()
    const layer = this.#layer(folder, digest)
    if (layer !== undefined) return folder.size(layer)
    return folder.ids().includes(digest) ? folder.image(digest).bytes.length : undefined
  }

  async #manifest(folder: DockerFolder, id: string): Promise<PlacedManifest> {
    const image = folder.image(id)
    const layers: Descriptor[] = []
    for (const layer of folder.layers(image)) {
      this.#layers.set(layer.diffID, layer)
      layers.push({ mediaType: MEDIA_TYPES.ociLayer, digest: layer.diffID, size: await folder.size(layer) })
    }
    return manifestOf({ config: describeBytes(MEDIA_TYPES.ociConfig, image.bytes), layers })
  }

  // A blob may be asked for by its digest alone, without an image.
  #layer(folder: DockerFolder, digest: string): StoredLayer | undefined {
    return this.#layers.get(digest) ?? folder.layerOf(digest)
  }

  #open(): DockerFolder {
    this.#folder ??= DockerFolder.open(this.#name.root)
    return this.#folder
  }
}

/** Blobs are kept aside until the manifest comes, since a layer is unpacked upon those below it. */
class DockerStoreWriter implements PlaceWriter {
  readonly #name: DockerStoreName
  readonly #options: PlaceOptions
  /** The images of an index. */
  readonly #children = new Map<string, Manifest>()
  #writer: ImageWriter | undefined

  constructor(name: DockerStoreName, options: PlaceOptions) {
    this.#name = name
    this.#options = options
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    const writer = this.#open()
    if (!writer.hasBlob(descriptor)) return false
    if (this.#options.verify) await prove(writer.folder, descriptor.digest)
    return true
  }

  /** The engine keeps no manifests. */
  async hasManifest(): Promise<boolean> {
    return false
  }

  putBlob(descriptor: Descriptor, open: OpenBlob, from: readonly string[] = []): Promise<void> {
    return this.#open().putBlob(descriptor, open() as AsyncIterable<Buffer>, from)
  }

  async putManifest({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    const document = parseManifest(Buffer.from(bytes), { mediaType: descriptor.mediaType })
    if (document.kind === 'manifest') this.#children.set(descriptor.digest, document)
  }

  /** @throws ToolError `MEDIA_TYPE_UNSUPPORTED`, `DIGEST_MISMATCH`; those of `ImageWriter.putImage` */
  async publish({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    const writer = this.#open()
    const { root, image } = this.#name
    const text = image?.reference
    const reference = text === undefined ? undefined : parseNormalized(text)
    const where = `${TRANSPORT}${root}${text === undefined ? '' : `:${text}`}`
    if (reference?.digest !== undefined && reference.digest !== descriptor.digest)
      throw new ToolError('DIGEST_MISMATCH', `cannot put ${descriptor.digest} as ${where}: another digest`)
    const manifest = this.#imageOf(
      parseManifest(Buffer.from(bytes), { mediaType: descriptor.mediaType }),
      where,
    )
    const id = await writer.putImage({ manifest, reference })
    return text === undefined ? { place: `${where}:${id}` } : { place: where, reference: text }
  }

  close(): void {
    this.#writer?.close()
  }

  // An engine with a graph driver has one image under a name. Which of several that should be, only the user knows.
  #imageOf(document: ReturnType<typeof parseManifest>, where: string): Manifest {
    const images =
      document.kind === 'manifest'
        ? [document]
        : document.manifests.flatMap(({ digest }) => this.#children.get(digest) ?? [])
    const [image, ...others] = images.filter(isRunnable)
    if (image !== undefined && others.length === 0) return image
    const what = image === undefined ? 'no container image' : `an index of ${images.length} images`
    throw new ToolError(
      'MEDIA_TYPE_UNSUPPORTED',
      `cannot put ${what} to ${where}: a Docker engine has one image under a name; choose one by --platform`,
    )
  }

  #open(): ImageWriter {
    const { root, image } = this.#name
    const { run } = this.#options
    if (image !== undefined && image.reference === undefined)
      throw new ToolError('PLACE_INVALID', `cannot write to ${TRANSPORT}${root}:${image.text}: give a name`)
    if (run?.unpack === undefined)
      throw new ToolError('PLACE_INVALID', `cannot write to ${TRANSPORT}${root}: no layers are unpacked here`)
    this.#writer ??= ImageWriter.open(root, run.unpack)
    return this.#writer
  }
}

/** True for an image that can be run; false for signatures, attestations and other content with a manifest. */
function isRunnable({ config }: Manifest): boolean {
  return isConfigType(config.mediaType)
}

/** Reads a layer through. The engine has it once for all its images, so a damaged one is not replaced here. */
async function prove(folder: DockerFolder, digest: string): Promise<void> {
  const layer = folder.layerOf(digest)
  if (layer === undefined) return
  const hasher = new Hasher()
  for await (const chunk of folder.tar(layer)) hasher.update(chunk)
  if (hasher.digest() !== layer.diffID)
    throw new ToolError('DIGEST_MISMATCH', `layer ${layer.diffID} of "${folder.paths.root}" was changed`)
}
