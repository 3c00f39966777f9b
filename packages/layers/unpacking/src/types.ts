import type { IdMap } from '@pipelayer/records'
import type { Warn, XattrForm } from '@pipelayer/rootfs'
import type { Selection } from './selection.js'
import type { WriteQueue } from './write-queue.js'

/** How a layer is unpacked. */
export interface ApplyOptions {
  /** Translates the ids of the image to those on disk; an id that it lacks fails with `ID_UNMAPPED`. */
  readonly idMap?: IdMap
  /** Ids on disk of all that is unpacked, in place of those that the tar says. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /**
   * What a path is that comes twice: in a layer an error unless both are the same (default); in an archive that a user
   * made by `tar --append` the last one counts.
   */
  readonly repeated?: 'same' | 'last'
  /** What names that begin with `.wh.` are: whiteouts, as in a layer (default); in an archive of a user's, files as any. */
  readonly whiteouts?: 'applied' | 'files'
  /** Which entries; all of them unless given. The same one for all layers of an image. */
  readonly selection?: Selection
  /** Entries that the tar may have, chosen or not; more fail with `TOO_MANY_ENTRIES`. */
  readonly maxEntries?: number
  /** Of the `HandedTar` that is unpacked: writes small files in its thread. */
  readonly writes?: WriteQueue | undefined
  readonly onWarning?: Warn
  readonly signal?: AbortSignal
}

/** The overlay form: whiteouts become 0:0 devices, opaque directories get an xattr. */
export interface ApplyOverlayOptions extends ApplyOptions {
  /** Unpacked layers below this one, absolute, nearest first. */
  readonly lowers?: readonly string[]
  readonly xattrs?: XattrForm
}

/** What was unpacked, and what the caller's rights did not allow. */
export interface ApplyResult {
  /** Entries of the tar. */
  readonly entries: number
  /** Devices that could not be made. */
  readonly skippedDevices: number
  /** Xattrs that could not be set, and overlayfs's private ones, which are never taken from a layer. */
  readonly skippedXattrs: number
  /** Entries that belong to the caller instead of to their owner. */
  readonly squashedOwners: number
}
