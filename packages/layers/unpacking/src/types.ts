import type { IdMap } from '@pipelayer/records'
import type { Warn, XattrForm } from '@pipelayer/rootfs'
import type { Selection } from './selection.js'
import type { WriteQueue } from './write-queue.js'

/** How a tar is understood. */
export interface TarRules {
  /**
   * A path that comes twice: in a layer it is an error unless both entries are the same (default). In an archive that a
   * user made with `tar --append` the last one counts.
   */
  readonly repeated?: 'same' | 'last'
  /** Names that begin with `.wh.`: whiteouts, as in a layer (default), or files like any other, as in a user's archive. */
  readonly whiteouts?: 'applied' | 'files'
  /** The largest number of entries, chosen or not. More of them fail with `TOO_MANY_ENTRIES`. */
  readonly maxEntries?: number
}

/** How a layer is unpacked. */
export interface ApplyOptions {
  /** Translates the ids of the image to those on disk; an id that it lacks fails with `ID_UNMAPPED`. */
  readonly idMap?: IdMap
  /** The owner on disk of every entry, in place of the owners in the tar. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** How the tar is understood; as a layer unless given. */
  readonly rules?: TarRules
  /** Which entries; all of them unless given. The same one for all layers of an image. */
  readonly selection?: Selection
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

/** Counts what was unpacked, and what the caller's rights did not allow. */
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
