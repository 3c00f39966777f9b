/**
 * Layers unpacked into directories of their own, and directories mounted as one tree by overlayfs.
 *
 * @module
 */

export { copyRoot, publish } from './folder.js'
export { checkCount, findOverlays, OverlayMounter } from './overlay.js'
export { blobOf, newRoot, type Unpacking, unpackOverlays } from './unpack-overlays.js'
