/**
 * Decides which xattrs belong into a layer, and reads them.
 *
 * @module
 */

import { lgetxattr, xattrNamesOf } from '@pipelayer/sys'
import { bytesOf } from './name.js'

/** By name (a binary string), in byte order. */
export type Xattrs = ReadonlyMap<string, Buffer>

export const NO_XATTRS: Xattrs = new Map()

const CAPABILITY = 'security.capability'
// struct vfs_cap_data, little endian: magic u32 @0 with the revision in its top byte, two pairs of u32 @4; revision 3
// adds the root id of the user namespace, u32 @20, which has no meaning on another machine.
const CAPABILITY_V2_SIZE = 20
const CAPABILITY_V3_SIZE = 24

/** True for the private xattrs of overlayfs, which are never put into an image nor taken from one. */
export function isOverlayPrivate(name: string): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.')
}

/** True for the xattrs that a layer contains unless all are asked for. */
export function isImageXattr(name: string): boolean {
  return (name.startsWith('user.') || name === CAPABILITY) && !isOverlayPrivate(name)
}

/** The xattrs of a file that `wanted` selects by name. `path` is a binary string; a symlink is not followed. */
export function readXattrs(path: string, wanted: (name: string) => boolean): Xattrs {
  const all = xattrNamesOf(path)
  if (all.length === 0) return NO_XATTRS
  const names = all.filter(wanted)
  const bytes = bytesOf(path)
  const xattrs = new Map<string, Buffer>()
  for (const name of names.sort()) {
    const value = lgetxattr(bytes, Buffer.from(name, 'latin1'))
    if (value !== undefined) xattrs.set(name, name === CAPABILITY ? portableCapability(value) : value)
  }
  return xattrs
}

/** Capabilities without the root id of the namespace they were set in: revision 3 becomes revision 2. */
function portableCapability(value: Buffer): Buffer {
  if (value.length !== CAPABILITY_V3_SIZE || value[3] !== 3) return value
  const portable = Buffer.from(value.subarray(0, CAPABILITY_V2_SIZE))
  portable[3] = 2
  return portable
}
