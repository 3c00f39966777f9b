/**
 * Cluster images of sealer and sealos: their kinds and types, sealer's documents and archives, and their form as OCI
 * images.
 *
 * @module
 */

export { type ArchivedLayer, archiveBytes, readArchive } from './archive.js'
export { clusterfileFor } from './clusterfile.js'
export { configOf, documentOf } from './config.js'
export { CLUSTERFILE, formatDocument, type ImageDocument, imageID, withID } from './document.js'
export { commandsOf, kindOf, mountOf, sealosFaults, typeOf } from './kind.js'
export { mergeDocuments } from './merge.js'
export { mergeImages } from './merge-images.js'
export { checkRootfs } from './rootfs.js'
