/**
 * The two lists of a storage: `DRIVER-images/images.json` and `DRIVER-layers/layers.json`. Both are replaced as a whole,
 * so they are read without a lock.
 *
 * Spec: containers/storage v1.43 to v1.59, images.go and layers.go.
 *
 * @module
 */
import { type Digest, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { isObject, type JsonObject } from '@pipelayer/oci'

/** An image of a storage. */
export interface StoredImage {
  readonly id: string
  /** Full references. */
  readonly names: readonly string[]
  /** The digests of its manifests, as they were in the registry. */
  readonly digests: readonly Digest[]
  /** The id of its topmost layer; undefined of a list of manifests. */
  readonly layer: string | undefined
  /** Its documents: their keys, with their digests. */
  readonly documents: ReadonlyMap<string, Digest | undefined>
}

/** A layer of a storage. */
export interface StoredLayer {
  readonly id: string
  /** The id of the layer below. */
  readonly parent: string | undefined
  /** Unknown of a layer that was fetched in part. */
  readonly diffID: Digest | undefined
  /** Bytes of its tar, if they are known. */
  readonly size: number | undefined
  /** It was being written when its writer died. */
  readonly isIncomplete: boolean
  /** Its files were fetched one by one, by the table of contents of a zstd:chunked layer. */
  readonly isPartial: boolean
}

/** A part of a path that cannot lead elsewhere. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/

/** @throws ToolError `STORAGE_INVALID` */
export function parseImages(text: string, file: string): readonly StoredImage[] {
  return recordsIn(text, file).map(record => ({
    id: idIn(record, 'id', file),
    names: strings(record.names, file),
    digests: [digestIn(record.digest), ...manifestDigests(record)].filter(digest => digest !== undefined),
    layer: isAbsent(record.layer) ? undefined : idIn(record, 'layer', file),
    documents: documentsIn(record, file),
  }))
}

/** @throws ToolError `STORAGE_INVALID` */
export function parseLayers(text: string, file: string): readonly StoredLayer[] {
  return recordsIn(text, file).map(record => {
    const size = record['diff-size']
    const diffID = digestIn(record['diff-digest'])
    return {
      id: idIn(record, 'id', file),
      parent: isAbsent(record.parent) ? undefined : idIn(record, 'parent', file),
      diffID,
      size: typeof size === 'number' && Number.isSafeInteger(size) && size > 0 ? size : undefined,
      isIncomplete: isObject(record.flags) && record.flags.incomplete === true,
      isPartial: !isAbsent(record['toc-digest']),
    }
  })
}

/** Something in a storage is not as podman writes it. */
export function broken(file: string, why: string, cause?: unknown): ToolError {
  return new ToolError('STORAGE_INVALID', `cannot use "${file}": ${why}`, { cause })
}

function recordsIn(text: string, file: string): readonly JsonObject[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    throw broken(file, 'it is no JSON, or was cut', cause)
  }
  // Go writes null for an empty list.
  const records: unknown = list ?? []
  if (!Array.isArray(records) || !records.every(isObject)) throw broken(file, 'it is no list of objects')
  return records
}

function idIn(record: JsonObject, field: string, file: string): string {
  const id = record[field]
  if (typeof id === 'string' && ID.test(id)) return id
  throw broken(file, `a record has the ${field} ${JSON.stringify(id)?.slice(0, 100)}`)
}

function documentsIn(record: JsonObject, file: string): ReadonlyMap<string, Digest | undefined> {
  const digests = record['big-data-digests']
  return new Map(
    strings(record['big-data-names'], file).map(key => [
      key,
      digestIn(isObject(digests) && Object.hasOwn(digests, key) ? digests[key] : undefined),
    ]),
  )
}

// The manifests of an image that came by a list are kept as "manifest-DIGEST" beside the one that was chosen.
function manifestDigests(record: JsonObject): (Digest | undefined)[] {
  const names: unknown = record['big-data-names']
  if (!Array.isArray(names)) return []
  const prefix = 'manifest-'
  return names
    .filter(name => typeof name === 'string' && name.startsWith(prefix))
    .map((name: string) => digestIn(name.slice(prefix.length)))
}

function digestIn(value: unknown): Digest | undefined {
  return typeof value === 'string' && isDigest(value) ? value : undefined
}

function strings(value: unknown, file: string): readonly string[] {
  const list = value ?? []
  if (Array.isArray(list) && list.every(item => typeof item === 'string')) return list
  throw broken(file, 'a record has names that are no list of texts')
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}
