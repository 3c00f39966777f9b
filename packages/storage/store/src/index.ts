/**
 * Content-addressed storage: OCI layouts, and the local store which is one.
 *
 * @module
 */

export {
  BlobWriter,
  type ExpectedBlob,
  type ProvenBlob,
  type StagedBlob,
  type StoredBlob,
} from './blob-writer.js'
export { REF_NAME, type StoredDescriptor } from './descriptor.js'
export { type LayoutIndex, type NamedEntry, parseLayoutIndex } from './index-file.js'
export { Layout } from './layout.js'
export { resumeFile } from './partial-blob.js'
export { pinOf } from './pinned.js'
export { defaultStorePath, Store } from './store.js'
export { UploadState } from './upload-state.js'
