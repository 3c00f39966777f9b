/**
 * Reads files whose content lies in blobs of the store, or where a record says.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { BlobContents } from '@pipelayer/change-set'
import { attempt } from '@pipelayer/errors'
import { blobBytes } from '@pipelayer/layer-blob'
import type { Store } from '@pipelayer/store'

/** Nothing is opened until a file is read. The caller closes it. */
export function blobContents(store: Store, signal: AbortSignal | undefined): BlobContents {
  return new BlobContents({
    open: (digest, hint) => blobBytes(digest, hint, one => store.openBlob(one)),
    tempFile: () => tempFile(store),
    signal,
  })
}

/** Opens a file without a name, so that nothing of it stays, however the process ends. */
function tempFile(store: Store): number {
  const dir = store.tempDir('copy')
  return attempt(`make a temporary file in "${dir}"`, () => {
    const fd = fs.openSync(path.join(dir, 'blob'), 'wx+', 0o600)
    fs.rmSync(dir, { recursive: true })
    return fd
  })
}
