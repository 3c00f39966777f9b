/**
 * sealer's cluster images: documents, archives, and how they are OCI images.
 *
 * @module
 */

export { type ArchivedLayer, archiveBytes, type LayerTar, readArchive } from './archive.js'
export { clusterfileFor, parseMetadata, platformFrom } from './clusterfile.js'
export {
  type ClusterFacts,
  clusterArgs,
  clusterLabels,
  configOf,
  documentOf,
  isClusterConfig,
} from './config.js'
export {
  CLUSTERFILE,
  type ClusterLayer,
  type ClusterPlatform,
  checkDocument,
  formatDocument,
  type ImageDocument,
  imageID,
  parseDocument,
  withID,
} from './document.js'
export { mergeDocuments } from './merge.js'
export { checkRootfs, type RootfsFinding } from './rootfs.js'
