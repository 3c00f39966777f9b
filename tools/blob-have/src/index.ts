/**
 * blob-have: says which blobs a store has.
 *
 * @module
 */
import type { HaveRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'

/**
 * Yields a `have` record for each blob of the store, in byte order of the digests, then for each that came in part.
 * A store that is not there has none. Contents are not read: whoever uses a blob checks it.
 *
 * @param root - the store's folder
 * @throws ToolError `LAYOUT_INVALID`; the system's
 */
export async function* blobHave(root: string): AsyncGenerator<HaveRecord, void, undefined> {
  const store = Store.openIfThere(root)
  if (store === undefined) return
  for (const blob of store.blobs()) yield { type: 'have', ...blob }
  for (const blob of store.partialBlobs()) {
    if (blob.size > 0) yield { type: 'have', ...blob, partial: true }
  }
}
