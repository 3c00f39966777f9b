import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import type { AnyRecord, ConfigRecord, ManifestRecord } from '@pipelayer/records'

/** A blob that a record named, with its descriptor and where it may lie. */
export interface Part extends Descriptor {
  readonly path?: string
  readonly from?: readonly string[]
}

/** The records of one image. */
export interface ImageParts {
  readonly key: string
  partOf?: string
  config?: ConfigRecord
  readonly blobs: Map<string, Part>
}

const PART_TYPES = new Set(['layer', 'config', 'blob', 'manifest', 'index'])

/**
 * Collects the records of the images of a stream. Memory: a few hundred bytes for each blob of the images that are
 * not closed yet.
 */
export class PartsInStream {
  readonly #images = new Map<string, ImageParts>()
  readonly #failed = new Set<string>()
  readonly #children = new Map<string, { readonly image: string; readonly record: ManifestRecord }>()

  /** Takes a record; true when it belongs to an image. */
  add(record: AnyRecord): boolean {
    if (record.type === 'failed') {
      if (typeof record.image === 'string') this.#failed.add(record.image)
      return false
    }
    const { image: key, partOf, digest } = record
    if (!PART_TYPES.has(record.type) || typeof key !== 'string') return false
    const image = this.#image(key)
    if (typeof partOf === 'string') image.partOf = partOf
    if (record.type === 'config') image.config = record as ConfigRecord
    if (typeof digest === 'string') image.blobs.set(digest, partIn(record, digest))
    if (isManifest(record)) this.#children.set(record.digest, { image: key, record })
    return true
  }

  /** Returns a closed image with all its parts, and forgets them. */
  take(key: string): ClosedImage {
    const members = [...this.#images.values()].filter(image => this.#belongs(image, key))
    const blobs = new Map(members.flatMap(image => [...image.blobs]))
    const configs = new Map(members.map(image => [image.key, image.config]))
    const manifests = new Map([...this.#children].filter(([, { image }]) => configs.has(image)))
    for (const member of members) this.#images.delete(member.key)
    for (const digest of manifests.keys()) this.#children.delete(digest)
    return { blobs, configs, manifests }
  }

  /** Keys of the images that no root record closed, without those that failed. */
  open(): string[] {
    return [...this.#images.keys()].filter(key => !this.#hasFailed(key))
  }

  get failures(): number {
    return this.#failed.size
  }

  #image(key: string): ImageParts {
    const known = this.#images.get(key)
    if (known !== undefined) return known
    const image = { key, blobs: new Map<string, Part>() }
    this.#images.set(key, image)
    return image
  }

  #belongs(image: ImageParts, root: string): boolean {
    let current: ImageParts | undefined = image
    // The bound also ends a chain of `partOf` that is a circle.
    for (let depth = 0; current !== undefined && depth < 16; depth++) {
      if (current.key === root || current.partOf === root) return true
      current = current.partOf === undefined ? undefined : this.#images.get(current.partOf)
    }
    return false
  }

  #hasFailed(key: string): boolean {
    const { partOf } = this.#images.get(key) ?? {}
    return this.#failed.has(key) || (partOf !== undefined && this.#failed.has(partOf))
  }
}

/** An image whose root came. */
export interface ClosedImage {
  readonly blobs: ReadonlyMap<string, Part>
  /** By image key: its config record, if one came. */
  readonly configs: ReadonlyMap<string, ConfigRecord | undefined>
  /** By digest. */
  readonly manifests: ReadonlyMap<string, { readonly image: string; readonly record: ManifestRecord }>
}

/** True for the record that closes an image. */
export function isRoot(record: AnyRecord): record is ManifestRecord {
  return isManifest(record) && record.root === true
}

function isManifest(record: AnyRecord): record is ManifestRecord {
  return record.type === 'manifest' || record.type === 'index'
}

/** The blob that a record names. @throws ToolError `RECORD_INVALID` */
export function partIn(record: AnyRecord, digest: string): Part {
  const { mediaType, size, path, from, data } = record
  if (typeof mediaType !== 'string' || typeof size !== 'number') {
    throw new ToolError('RECORD_INVALID', `${record.type} ${digest} has no mediaType or no size`)
  }
  return {
    mediaType,
    digest,
    size,
    ...(typeof path === 'string' && { path }),
    ...(typeof data === 'string' && { data }),
    ...(Array.isArray(from) && { from: from.filter(place => typeof place === 'string') }),
  }
}
