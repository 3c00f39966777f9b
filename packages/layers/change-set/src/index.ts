/**
 * Change sets: what differs between two trees, two images, or stands in a layer, as `change` records in one order.
 *
 * @module
 */

export { BlobContents } from './contents.js'
export { diffOverlay, diffTrees } from './diff.js'
export { diffImages } from './image-diff.js'
export { ImageTree } from './image-tree.js'
export { type ListedChange, type ListOptions, listLayer } from './list.js'
export { ListedCheck } from './listed-check.js'
export { OrderCheck, type PlacedChange } from './order.js'
export type { ContentSource, DiffOptions } from './types.js'
