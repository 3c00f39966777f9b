/**
 * `containers-storage:[[DRIVER@]ROOT[+RUNROOT][:OPTIONS]]REFERENCE`: an image in the storage of podman, buildah, skopeo and
 * CRI-O. The first brackets are part of the text; without them it is the usual storage of the user. It is read while
 * podman runs, and never written.
 *
 * @module
 */
import { ContainersStorage, type StoredImage, type StoredLayer } from '@pipelayer/containers-storage'
import { algorithmOf, checkContent, type Digest, digestOf, isDigest } from '@pipelayer/digest'
import { errnoOf, ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  isConfigType,
  type Manifest,
  MEDIA_TYPES,
  parseConfig,
  parseLayerType,
  parseManifest,
} from '@pipelayer/oci'
import { formatName, parseNormalized } from '@pipelayer/reference'
import { readNamed } from '@pipelayer/sys'
import { manifestOf } from './docker-archive.js'
import type { Place, PlacedManifest, PlaceOptions, PlaceReader } from './place.js'
import { refusing } from './refusing.js'
import { describeBytes } from './saved-images.js'
import { usualStorage } from './storage-conf.js'
import { fullNames, parseStorage, type StorageName, TRANSPORT } from './storage-name.js'

const MAX_CONF = 1024 * 1024

/** Nothing is read before something is asked of the place. */
export function openContainersStorage(rest: string, options: Pick<PlaceOptions, 'env'> = {}): Place {
  const name = parseStorage(rest)
  const { driver, root } = name.storage ?? {}
  const text = TRANSPORT + (root === undefined ? '' : `[${driver === undefined ? '' : `${driver}@`}${root}]`)
  const reader = new StorageReader(name, { text, env: options.env ?? {} })
  const readOnly =
    `cannot write to ${text}: only podman keeps its locks and the ids of its files: ` +
    'use docker-archive:FILE and "podman load --input FILE", or oci-archive:FILE and "podman pull oci-archive:FILE"'
  const place = {
    traits: { isLocal: true, isStore: false, isStaged: false, isSerial: false },
    text,
    read: reader,
    write: refusing(readOnly),
    readOnly,
    close: async () => undefined,
  }
  const { reference } = name
  if (reference === undefined) return place
  return {
    ...place,
    get reference() {
      return reader.nameOf(reference)
    },
  }
}

/** The place of each name of an image, if the text names none; an image without names is there by its id. */
export function storageImages(rest: string, env: PlaceOptions['env'] = {}): readonly string[] {
  const name = parseStorage(rest)
  if (name.reference !== undefined || name.id !== undefined) return [TRANSPORT + rest]
  const images = storageOf(name, env).images()
  const named = images.flatMap(({ id, names }) => (names.length === 0 ? [`@${id}`] : names))
  return named.map(image => `${TRANSPORT}${rest}${image}`)
}

function storageOf({ storage }: StorageName, env: NonNullable<PlaceOptions['env']>): ContainersStorage {
  return new ContainersStorage(storage ?? usualStorage({ uid: process.getuid?.(), env, readFile }))
}

function readFile(file: string): string | undefined {
  try {
    return readNamed(file, MAX_CONF).toString('utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

/** An image that was read: the manifest that it has here, and where its blobs are. */
interface Read {
  readonly placed: PlacedManifest
  readonly image: StoredImage
  readonly layers: ReadonlyMap<Digest, StoredLayer>
}

/**
 * Layers come as plain tars, as they were before they were unpacked. What compressed them is not known, so a manifest that
 * names compressed ones is replaced by one that names the tars; the config stays as it is.
 */
class StorageReader implements PlaceReader {
  readonly #name: StorageName
  readonly #text: string
  readonly #env: NonNullable<PlaceOptions['env']>
  #opened: ContainersStorage | undefined
  #chosen: Read | undefined

  constructor(
    name: StorageName,
    { text, env }: { readonly text: string; readonly env: NonNullable<PlaceOptions['env']> },
  ) {
    this.#name = name
    this.#text = text
    this.#env = env
  }

  /** The full name of the image: that of podman for what it built, if the image was found under it. */
  nameOf(reference: string): string {
    const names = this.#chosen?.image.names ?? []
    const full = fullNames(reference)
    return full.find(name => names.includes(name)) ?? full[0] ?? reference
  }

  async resolve(digest?: Digest): Promise<PlacedManifest> {
    const { reference, id } = this.#name
    if (digest === undefined || (reference ?? id) !== undefined)
      this.#chosen ??= await this.#read(this.#find())
    const own = this.#chosen?.placed
    if (own !== undefined && (digest === undefined || digest === own.descriptor.digest)) return own
    for (const image of this.#storage.images()) {
      // Only the image of this digest matters: others may be of a kind that is not read.
      const placed = await this.#read(image).then(
        read => read.placed,
        () => undefined,
      )
      if (placed !== undefined && placed.descriptor.digest === digest) return placed
    }
    throw new ToolError('MANIFEST_UNKNOWN', `there is no manifest ${digest} in ${this.#text}`)
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    const layer = this.#layer(digest)
    if (layer !== undefined) yield* this.#storage.layerTar(layer)
    else yield this.#document(digest)
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    const layer = this.#layer(digest)
    if (layer !== undefined) return this.#storage.layerSize(layer)
    try {
      return this.#document(digest).length
    } catch (error) {
      if (error instanceof ToolError && error.code === 'BLOB_UNKNOWN') return undefined
      throw error
    }
  }

  get #storage(): ContainersStorage {
    this.#opened ??= storageOf(this.#name, this.#env)
    return this.#opened
  }

  // A blob may be asked for by its digest alone, without an image.
  #layer(digest: Digest): StoredLayer | undefined {
    return this.#chosen?.layers.get(digest) ?? this.#storage.layersWith(digest)[0]
  }

  #document(digest: Digest): Buffer {
    const image = this.#storage.images().find(({ documents }) => documents.has(digest))
    if (image !== undefined) return this.#storage.document(image, digest)
    throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in ${this.#text}`)
  }

  async #read(image: StoredImage): Promise<Read> {
    const bytes = this.#storage.document(image, 'manifest')
    const document = parseManifest(bytes)
    const shown = image.names[0] ?? image.id
    if (document.kind === 'index')
      throw new ToolError(
        'MEDIA_TYPE_UNSUPPORTED',
        `${shown} in ${this.#text} is a list of manifests: read its images one by one, by their names or ids`,
      )
    if (!isConfigType(document.config.mediaType))
      throw new ToolError(
        'MEDIA_TYPE_UNSUPPORTED',
        `${shown} in ${this.#text} is no container image: its config is ${document.config.mediaType}`,
      )
    const config = this.#storage.document(image, document.config.digest)
    const { digest: id } = document.config
    checkContent(document.config, { digest: digestOf(config, algorithmOf(id)), size: config.length })
    const diffIDs = parseConfig(config).rootfs.diff_ids
    const chain = this.#storage.layersOf(image)
    this.#check(shown, { chain, diffIDs })
    const layers = await Promise.all(
      chain.map(async (layer, index): Promise<Descriptor> => {
        const size = await this.#storage.layerSize(layer)
        return { mediaType: MEDIA_TYPES.ociLayer, digest: diffIDs[index] ?? '', size }
      }),
    )
    const placed = isAsStored(document, layers)
      ? { descriptor: describeBytes(document.mediaType, bytes), bytes, document }
      : manifestOf({
          config: { mediaType: MEDIA_TYPES.ociConfig, digest: id, size: config.length },
          layers,
          ...annotationsOf(document),
        })
    return { placed, image, layers: new Map(chain.map((layer, index) => [diffIDs[index] ?? '', layer])) }
  }

  /** @throws ToolError `STORAGE_INVALID`: layers and config disagree */
  #check(
    shown: string,
    { chain, diffIDs }: { readonly chain: readonly StoredLayer[]; readonly diffIDs: readonly Digest[] },
  ): void {
    const wrong = (why: string): ToolError =>
      new ToolError('STORAGE_INVALID', `cannot read ${shown} in ${this.#text}: ${why}`)
    if (chain.length !== diffIDs.length)
      throw wrong(`it has ${chain.length} layers, and its config names ${diffIDs.length}`)
    const other = chain.find(({ diffID }, index) => diffID !== undefined && diffID !== diffIDs[index])
    if (other !== undefined)
      throw wrong(`layer ${other.id} is ${other.diffID}, which its config does not say`)
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS` */
  #find(): StoredImage {
    const images = this.#storage.images()
    const { reference, id } = this.#name
    const named = reference === undefined ? [] : imagesNamed(images, reference)
    const byID = id === undefined ? [] : images.filter(image => image.id.startsWith(id))
    const isAny = reference === undefined && id === undefined
    const fitting = named.length > 0 ? named : isAny ? images : byID
    const [image, ...others] = fitting
    if (image !== undefined && others.length === 0) return image
    if (image !== undefined)
      throw new ToolError(
        'REFERENCE_AMBIGUOUS',
        `several images in ${this.#text}, say which: ${listed(fitting)}`,
      )
    const what = isAny ? 'no image' : `no image ${JSON.stringify(reference ?? id)}`
    const where = this.#text === TRANSPORT ? 'the storage of this user' : this.#text
    throw new ToolError('MANIFEST_UNKNOWN', `there is ${what} in ${where}: there is ${listed(images)}`)
  }
}

function listed(images: readonly StoredImage[]): string {
  const names = images.slice(0, 20).map(image => image.names[0] ?? `@${image.id.slice(0, 12)}`)
  return names.join(', ') || 'none'
}

// Docker's manifests have none.
function annotationsOf({ mediaType, annotations }: Manifest): Pick<Manifest, 'annotations'> {
  return mediaType === MEDIA_TYPES.ociManifest && annotations !== undefined ? { annotations } : {}
}

/** True for a manifest that names the tars themselves, as of an image that was built and never pushed. */
function isAsStored({ layers, mediaType }: Manifest, stored: readonly Descriptor[]): boolean {
  return (
    (mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest) &&
    layers.length === stored.length &&
    layers.every(({ digest, size, mediaType: type }, index) => {
      const layer = stored[index]
      return digest === layer?.digest && size === layer.size && parseLayerType(type)?.compression === 'none'
    })
  )
}

/** The images that a name stands for: by the name itself, else by one of their digests. */
function imagesNamed(images: readonly StoredImage[], reference: string): readonly StoredImage[] {
  for (const full of [reference, ...fullNames(reference)]) {
    const found = images.filter(({ names }) => names.includes(full))
    if (found.length > 0) return found
  }
  const at = reference.lastIndexOf('@')
  const digest = reference.slice(at + 1)
  if (at < 0 || !isDigest(digest)) return []
  const repository = formatName(parseNormalized(reference))
  return images.filter(
    ({ names, digests }) =>
      digests.includes(digest) &&
      names.some(name => name.startsWith(`${repository}:`) || name.startsWith(`${repository}@`)),
  )
}
