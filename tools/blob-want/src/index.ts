/**
 * blob-want: says which blobs of images a store lacks.
 *
 * @module
 */
import { bare, type Descriptor } from '@pipelayer/oci'
import type { AnyRecord, WantRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'

const PART_TYPES = new Set(['layer', 'config', 'blob', 'manifest', 'index'])

/**
 * Passes records on. Before a record that names a blob which the store lacks, it yields a `want` record, once for each
 * digest. The root of an image is always wanted, because an import names an image only if its root comes. A store that
 * does not exist lacks all blobs.
 *
 * @param root - the store's folder
 * @throws ToolError `LAYOUT_INVALID`; the system's errors
 */
export async function* blobWant(
  records: AsyncIterable<AnyRecord>,
  root: string,
): AsyncGenerator<AnyRecord, void, undefined> {
  const store = Store.openIfThere(root)
  const asked = new Set<string>()
  for await (const record of records) {
    const wanted = wantOf(record, store)
    if (wanted !== undefined && !asked.has(wanted.digest)) {
      asked.add(wanted.digest)
      yield wanted
    }
    yield record
  }
}

function wantOf(record: AnyRecord, store: Store | undefined): WantRecord | undefined {
  const { type, image, root } = record
  if (!PART_TYPES.has(type) || typeof image !== 'string' || !isDescriptor(record)) return undefined
  if (root !== true && store?.hasBlob(record.digest, record.size)) return undefined
  const offset = store?.partialBytes(record.digest) ?? 0
  // A part that is longer than the blob comes from a faulty program.
  const isRest = offset > 0 && offset < record.size
  return { type: 'want', image, ...bare(record), ...(isRest && { offset }) }
}

function isDescriptor(record: object): record is Descriptor {
  const { mediaType, digest, size } = record as Readonly<Record<string, unknown>>
  return typeof mediaType === 'string' && typeof digest === 'string' && typeof size === 'number'
}
