/**
 * sealer's cluster images: their documents, their archives, and their form as OCI images.
 *
 * @module
 */

export { type ArchivedLayer, archiveBytes, readArchive } from './archive.js'
export { clusterfileFor } from './clusterfile.js'
export { configOf, documentOf, isCluster } from './config.js'
export { CLUSTERFILE, formatDocument, type ImageDocument, imageID, withID } from './document.js'
export { mergeDocuments } from './merge.js'
export { checkRootfs } from './rootfs.js'
