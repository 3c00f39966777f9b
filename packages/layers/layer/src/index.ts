/**
 * Layers: change sets from disk, change sets to tar blobs, tar blobs to disk.
 *
 * @module
 */
export { applyLayer, applyLayerOverlay } from './apply.js'
export { type BlobFile, fileBytes, type OpenTar, openBlob, provenTar, type TarLimits } from './blob-file.js'
export { checkTar } from './checked-tar.js'
export { BlobContents, type BlobContentsOptions } from './contents.js'
export { diffOverlay, diffTrees } from './diff.js'
export { type EncodingOptions, encodingOf, isSameTar } from './encoding.js'
export { checkDiffIDs } from './image-check.js'
export { diffImages, type ImageDiffOptions } from './image-diff.js'
export { ImageTree } from './image-tree.js'
export { blobBytes, type LayerBlob, layerBlob, type OpenBlob } from './layer-blob.js'
export { serveLayerThread } from './layer-thread.js'
export { type ListedChange, type ListOptions, listLayer } from './list.js'
export { OverlayCrew } from './overlay-crew.js'
export { type OpenSink, packChanges, packTar } from './pack.js'
export { ReadingThread } from './reading-thread.js'
export { Selection, type SelectionOptions } from './selection.js'
export { RootfsStaging, type StagingOptions } from './staging.js'
export type {
  ApplyOptions,
  ApplyOverlayOptions,
  ApplyResult,
  BlobSink,
  CompressOptions,
  ContentSource,
  DiffOptions,
  OverlayDirs,
  PackedLayer,
  PackOptions,
  StoredLayer,
  Warn,
  XattrForm,
} from './types.js'
export { isSameMap, isWholeMap, ownIdMap } from './user-namespace.js'
