import fs from 'node:fs'
import path from 'node:path'
import { algorithmOf, type Digest, digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { openRegular, readRegular } from '@pipelayer/sys'
import { assembleTar, splitSize } from '@pipelayer/tar-split'
import { bigDataFile } from './big-data.js'
import { ifThere } from './explained.js'
import { LayerFiles } from './layer-files.js'
import { type Part, readList } from './lists.js'
import { broken, parseImages, parseLayers, type StoredImage, type StoredLayer } from './records.js'

/** Where a storage is. */
export interface StorageLocation {
  /** Absolute. */
  readonly root: string
  /** `overlay` or `vfs`; undefined stands for the one that the folder has. */
  readonly driver?: string
  /** Folders of further storages, whose images and layers count as well. */
  readonly additional?: readonly string[]
}

/** The drivers of which layers are plain folders: how the folder of a layer is called. */
const DRIVERS: ReadonlyMap<string, (root: string, id: string) => string> = new Map([
  ['overlay', (root, id) => path.join(root, 'overlay', id, 'diff')],
  ['vfs', (root, id) => path.join(root, 'vfs', 'dir', id)],
])
const CHUNK_BYTES = 1024 * 1024

interface Known<T> {
  readonly part: Part
  readonly record: T
}

/**
 * The images of a storage. The lists are read once, when they are first needed. podman may run meanwhile: layers and
 * images that it removes are missing then.
 *
 * ```ts
 * const storage = new ContainersStorage({ root: '/var/lib/containers/storage' })
 * const [image] = storage.images()
 * ```
 */
export class ContainersStorage {
  readonly #location: StorageLocation
  #parts: readonly Part[] | undefined
  #images: ReadonlyMap<StoredImage, Part> | undefined
  #layers: ReadonlyMap<string, Known<StoredLayer>> | undefined

  constructor(location: StorageLocation) {
    this.#location = location
  }

  /**
   * All images, those of additional storages last.
   *
   * @throws ToolError `FOLDER_MISSING`, `DRIVER_UNSUPPORTED`, `STORAGE_INVALID`; `EACCES`
   */
  images(): readonly StoredImage[] {
    this.#images ??= new Map(
      this.#open().flatMap(part =>
        readList(part, 'images', parseImages).map(record => [record, part] as const),
      ),
    )
    return [...this.#images.keys()]
  }

  /**
   * A document of an image, such as its `manifest`.
   *
   * @throws ToolError `BLOB_UNKNOWN`: it has none; `DIGEST_MISMATCH`: it is not what the list says; `FILE_TOO_LARGE`
   */
  document(image: StoredImage, key: string): Buffer {
    const part = this.#images?.get(image)
    if (part === undefined || !image.documents.has(key)) throw missing(image, key)
    const folder = path.join(part.root, `${part.driver}-images`, image.id)
    const file = path.join(folder, bigDataFile(key))
    const bytes = ifThere(file, () => readRegular(file, MAX_DOCUMENT))
    if (bytes === undefined) throw missing(image, key)
    const expected = image.documents.get(key)
    const found = expected && digestOf(bytes, algorithmOf(expected))
    if (found === expected) return bytes
    throw new ToolError('DIGEST_MISMATCH', `cannot use "${file}": expected ${expected}, got ${found}`)
  }

  /**
   * The layers of an image, base first.
   *
   * @throws ToolError `STORAGE_INVALID`: a layer is missing, or is its own parent; `LAYER_UNSUPPORTED`
   */
  layersOf(image: StoredImage): readonly StoredLayer[] {
    const chain: StoredLayer[] = []
    const seen = new Set<string>()
    for (let id = image.layer; id !== undefined; ) {
      if (seen.has(id)) throw broken(this.#location.root, `layer ${id} lies above itself`)
      seen.add(id)
      const layer = this.#layer(id).record
      if (layer.isIncomplete) throw unsupported(id, 'it is incomplete: its writer was stopped')
      chain.push(layer)
      id = layer.parent
    }
    return chain.reverse()
  }

  /** The layers whose tar has this digest. */
  layersWith(diffID: Digest): readonly StoredLayer[] {
    return [...this.#allLayers().values()]
      .map(({ record }) => record)
      .filter(layer => layer.diffID === diffID)
  }

  /** The size of a layer's tar in bytes. @throws ToolError `LAYER_UNSUPPORTED`, `TAR_SPLIT_INVALID` */
  async layerSize(layer: StoredLayer): Promise<number> {
    if (layer.size !== undefined) return layer.size
    return splitSize(this.#headers(layer, this.#layer(layer.id).part))
  }

  /**
   * The tar of a layer, put together from its headers and its files: the caller compares its digest with the diffID.
   *
   * @throws ToolError `LAYER_UNSUPPORTED`: it is kept in a form that has no such headers; `FILE_MISSING`, `SIZE_MISMATCH`,
   * `CHECKSUM_MISMATCH`: a file was removed or changed; `PATH_ESCAPES`; `TAR_SPLIT_INVALID`; `EACCES`
   */
  async *layerTar(layer: StoredLayer): AsyncGenerator<Buffer, void, undefined> {
    const { part } = this.#layer(layer.id)
    const folder = DRIVERS.get(part.driver)?.(part.root, layer.id) ?? ''
    if (fs.existsSync(path.join(path.dirname(folder), 'composefs-data')))
      throw unsupported(layer.id, 'it is kept by composefs, whose files have no names')
    const headers = this.#headers(layer, part)
    const files = LayerFiles.open(folder)
    try {
      yield* assembleTar(headers, files)
    } finally {
      files.close()
    }
  }

  async *#headers(layer: StoredLayer, part: Part): AsyncGenerator<Buffer, void, undefined> {
    const file = path.join(part.root, `${part.driver}-layers`, `${layer.id}.tar-split.gz`)
    const opened = ifThere(file, () => openRegular(file))
    if (opened !== undefined) yield* fs.createReadStream('', { fd: opened.fd, highWaterMark: CHUNK_BYTES })
    else if (layer.isPartial)
      throw unsupported(
        layer.id,
        'it was fetched in part (zstd:chunked), so that nothing keeps the headers of its tar',
      )
    else throw unsupported(layer.id, `there is no "${file}", which has the headers of its tar`)
  }

  #layer(id: string): Known<StoredLayer> {
    const known = this.#allLayers().get(id)
    if (known !== undefined) return known
    throw broken(this.#location.root, `an image needs layer ${id}, which is not there`)
  }

  #allLayers(): ReadonlyMap<string, Known<StoredLayer>> {
    if (this.#layers !== undefined) return this.#layers
    const layers = new Map<string, Known<StoredLayer>>()
    // The storage itself comes before additional ones.
    for (const part of this.#open())
      for (const record of readList(part, 'layers', parseLayers))
        if (!layers.has(record.id)) layers.set(record.id, { part, record })
    this.#layers = layers
    return layers
  }

  #open(): readonly Part[] {
    const { root, driver, additional = [] } = this.#location
    this.#parts ??= [
      partAt(root, driver),
      ...additional.filter(folder => fs.existsSync(folder)).map(folder => partAt(folder, undefined)),
    ]
    return this.#parts
  }
}

/** Finds the driver of a folder. @throws ToolError `FOLDER_MISSING`, `DRIVER_UNSUPPORTED`; `EACCES` */
function partAt(root: string, driver: string | undefined): Part {
  const names = ifThere(root, () => fs.readdirSync(root)) ?? []
  const found = names.flatMap(name => /^([a-z][a-z0-9]*)-images$/.exec(name)?.[1] ?? [])
  const known = found.filter(name => DRIVERS.has(name))
  const [chosen] = driver === undefined ? [...known, ...found] : [driver]
  if (chosen !== undefined && !DRIVERS.has(chosen)) {
    const why = `its driver is ${chosen}, and only overlay and vfs keep layers as folders`
    throw new ToolError('DRIVER_UNSUPPORTED', `cannot read the storage "${root}": ${why}: ${INSTEAD}`)
  }
  if (chosen !== undefined && found.includes(chosen)) return { root, driver: chosen }
  const which = driver === undefined ? '' : ` of the driver ${driver}`
  throw new ToolError(
    'FOLDER_MISSING',
    `"${root}" is no storage${which}: podman info shows it as "graphRoot"`,
  )
}

const INSTEAD = 'podman save writes an archive that docker-archive: reads'

function missing({ id }: StoredImage, key: string): ToolError {
  return new ToolError('BLOB_UNKNOWN', `image ${id} of the storage has no document ${JSON.stringify(key)}`)
}

function unsupported(id: string, why: string): ToolError {
  return new ToolError('LAYER_UNSUPPORTED', `cannot read layer ${id} of the storage: ${why}: ${INSTEAD}`)
}
