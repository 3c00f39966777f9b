/**
 * OCI image layouts on disk: blobs under their digests, and an index of names.
 *
 * @module
 */

export { BlobWriter, type ExpectedBlob, type ProvenBlob, type StagedBlob } from './blob-writer.js'
export { REF_NAME, type StoredDescriptor } from './descriptor.js'
export { replaceFile } from './durable.js'
export { type LayoutIndex, type NamedEntry, parseLayoutIndex } from './index-file.js'
export { Layout } from './layout.js'
export { partialBlobsIn } from './listing.js'
export { withLock } from './lock.js'
export { pinOf } from './pinned.js'
export { proveFile } from './proof.js'
