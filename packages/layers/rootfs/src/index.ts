/**
 * A root filesystem: names are resolved inside of it, and never lead out.
 *
 * @module
 */

export {
  Attributer,
  type Attributes,
  attributesOf,
  DEFAULT_DIRECTORY,
  type NewFile,
} from './attributes.js'
export { at } from './beneath.js'
export { Folder, openRoot } from './folder.js'
export { always, type OwnerMap, toDisk, toImage } from './ids.js'
export { LowerChain, type LowerEntry, lstat, type Merged } from './lower-chain.js'
export {
  binaryOf,
  bytesOf,
  componentsOf,
  explained,
  joined,
  MAX_NAME_BYTES,
  quoted,
} from './name.js'
export { PathSet } from './path-set.js'
export { makeRoomAt, type RemovableTree, removeLower, removeLowerIn } from './removal.js'
export {
  NOTHING_SPENT,
  requireDepth,
  resolveIn,
  type Spent,
  step,
  type TreeView,
} from './resolver.js'
export { cleanName, openFile, Rooted } from './rooted.js'
export { timeOf } from './time.js'
export type { Warn, XattrForm } from './types.js'
export { isSameMap, isWholeMap, ownIdMap } from './user-namespace.js'
export { ALL, hiddenBy, isAufs, OPAQUE_NAME, SeenPaths, WHITEOUT_PREFIX } from './whiteout.js'
export { isImageXattr, isOverlayPrivate, NO_XATTRS, readXattrs, type Xattrs } from './xattrs.js'
