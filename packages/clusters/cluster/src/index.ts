/**
 * sealer's cluster images: their documents, their archives, and their form as OCI images.
 *
 * @module
 */

export { type ArchivedLayer, archiveBytes, type LayerTar, readArchive } from './archive.js'
export { clusterfileFor } from './clusterfile.js'
export { type ClusterParts, configOf, documentOf, isCluster } from './config.js'
export {
  CLUSTERFILE,
  type ClusterLayer,
  formatDocument,
  type ImageDocument,
  imageID,
  parseDocument,
  withID,
} from './document.js'
export { mergeDocuments } from './merge.js'
export { checkRootfs, type RootfsFinding } from './rootfs.js'
