import type { Layout } from '@pipelayer/layout'
import { type Descriptor, parseManifest } from '@pipelayer/oci'
import type { ManifestRecord } from '@pipelayer/records'
import { readDocument } from './documents.js'

/**
 * Writes an index anew in which manifests have changed. Everything else that it says stays: its annotations, the order
 * of its entries, and of each entry the platform and the annotations.
 *
 * @param changed - the new descriptors, by the digest of the manifest that each one replaces
 * @returns the record of the new index, without the places that hold the old one
 * @throws {ToolError} `BLOB_UNKNOWN`, `MANIFEST_INVALID`
 */
export function relisted(
  record: ManifestRecord,
  changed: ReadonlyMap<string, Descriptor>,
  store: Layout,
): ManifestRecord {
  const bytes = readDocument(record, store)
  parseManifest(bytes, { mediaType: record.mediaType })
  const document = JSON.parse(bytes.toString('utf8')) as { readonly manifests: readonly Descriptor[] }
  const manifests = document.manifests.map(entry => {
    const manifest = changed.get(entry.digest)
    if (manifest === undefined) return entry
    const { data: _, ...rest } = entry
    const { mediaType, digest, size } = manifest
    return { ...rest, mediaType, digest, size }
  })
  return written(record, { ...document, manifests }, store)
}

/**
 * Writes a manifest anew with further annotations; everything else that it says stays. If it has them already, the
 * record is returned as it is.
 *
 * @throws {ToolError} `BLOB_UNKNOWN`, `MANIFEST_INVALID`
 */
export function annotated(
  record: ManifestRecord,
  annotations: Readonly<Record<string, string>>,
  store: Layout,
): ManifestRecord {
  const bytes = readDocument(record, store)
  const { annotations: old = {} } = parseManifest(bytes, { mediaType: record.mediaType })
  if (Object.entries(annotations).every(([key, value]) => old[key] === value)) return record
  const document = JSON.parse(bytes.toString('utf8')) as object
  return written(record, { ...document, annotations: { ...old, ...annotations } }, store)
}

/** The record of a document, without the places and names of the one that it replaces. */
export function replacing(
  record: ManifestRecord,
  by: Descriptor & { readonly path?: string },
): ManifestRecord {
  const { from: _places, data: _bytes, references: _names, path: _path, ...rest } = record
  const { mediaType, digest, size, path } = by
  return { ...rest, mediaType, digest, size, ...(path === undefined ? {} : { path }) }
}

function written(record: ManifestRecord, document: object, store: Layout): ManifestRecord {
  const { mediaType } = record
  return replacing(record, { mediaType, ...store.putBytes(Buffer.from(JSON.stringify(document))) })
}
