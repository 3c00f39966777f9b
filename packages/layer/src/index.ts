/**
 * Layers: change sets from disk, change sets to tar blobs, tar blobs to disk.
 *
 * @module
 */
export { applyLayer, applyLayerOverlay } from './apply.js'
export { checkTar } from './checked-tar.js'
export { diffOverlay, diffTrees } from './diff.js'
export { type OpenSink, packChanges, packTar } from './pack.js'
export { RootfsStaging, type StagingOptions } from './staging.js'
export type {
  ApplyOptions,
  ApplyOverlayOptions,
  ApplyResult,
  BlobSink,
  CompressOptions,
  DiffOptions,
  OverlayDirs,
  PackedLayer,
  PackOptions,
  StoredLayer,
  Warn,
  XattrForm,
} from './types.js'
