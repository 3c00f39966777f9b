/**
 * A root filesystem on disk: names are resolved inside of it, and never lead out.
 *
 * @module
 */

export { Attributer, type Attributes, type NewFile } from './attributes.js'
export { isCarried, timeSpec } from './file-meta.js'
export { Folder, openRoot } from './folder.js'
export { always, type OwnerMap, toDisk, toImage } from './ids.js'
export { LowerChain, type LowerEntry, lstat, type Merged } from './lower-chain.js'
export {
  binaryOf,
  bytesOf,
  componentsOf,
  isAufs,
  joined,
  MAX_NAME_BYTES,
  OPAQUE_NAME,
  quoted,
  WHITEOUT_PREFIX,
} from './name.js'
export { PathSet } from './path-set.js'
export { at, cleanName, openFile, Rooted } from './rooted.js'
export { timeOf } from './time.js'
export type { Warn, XattrForm } from './types.js'
export { isSameMap, isWholeMap, ownIdMap } from './user-namespace.js'
export { isImageXattr, isOverlayPrivate, NO_XATTRS, readXattrs, type Xattrs } from './xattrs.js'
