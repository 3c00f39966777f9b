/**
 * blob-have: says which blobs a store has.
 *
 * @module
 */
import type { HaveRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'

/**
 * Yields a `have` record for each blob of the store, in byte order of the digests, then for each blob of which only the
 * first bytes came. A store that does not exist has none. Contents are not read, because they are checked when a blob
 * is used.
 *
 * @param root - the store's folder
 * @throws ToolError `LAYOUT_INVALID`; the system's errors
 */
export async function* blobHave(root: string): AsyncGenerator<HaveRecord, void, undefined> {
  const store = Store.openIfThere(root)
  if (store === undefined) return
  for (const blob of store.blobs()) yield { type: 'have', ...blob }
  for (const blob of store.partialBlobs()) {
    if (blob.size > 0) yield { type: 'have', ...blob, partial: true }
  }
}
