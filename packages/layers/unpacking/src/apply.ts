/**
 * Unpacks a layer onto a tree.
 *
 * In the plain form all layers go onto one root filesystem, and whiteouts remove entries of lower layers. In the
 * overlay form each layer has a directory of its own, and whiteouts are 0:0 devices. In both forms nothing outside the
 * root is ever changed, whatever the archive contains and whatever another process puts into the tree meanwhile: no
 * call follows the last component of a path.
 *
 * System calls are synchronous, since for small files that is 12 to 15 times faster than through the thread pool.
 * Memory: 48 bytes for each entry of the layer, to tell its own entries from those of lower layers and from repeated
 * ones.
 *
 * Spec: image-spec v1.1, layer.md, "Applying Changesets".
 *
 * @module
 */

import type { IdMap } from '@pipelayer/records'
import {
  Attributer,
  always,
  attributesOf,
  binaryOf,
  DEFAULT_DIRECTORY,
  lstat,
  toDisk,
  type XattrForm,
} from '@pipelayer/rootfs'
import { TarParser } from '@pipelayer/tar'
import { LayerUnpacker } from './layer-unpacker.js'
import { Tree } from './tree.js'
import type { ApplyOptions, ApplyOverlayOptions, ApplyResult } from './types.js'

/**
 * Applies a layer to the root filesystem in `root`, which must exist.
 *
 * @param tar - uncompressed; read to its end. After a failure the tree is left half done.
 * @throws ToolError `PATH_ESCAPES`, `ROOT_REPLACED`, `DUPLICATE_ENTRY`, `ENTRY_CONFLICT`,
 *   `PARENT_NOT_DIRECTORY`, `LINK_TARGET_MISSING`, `LINK_INVALID`, `WHITEOUT_INVALID`, `TOO_MANY_SYMLINKS`,
 *   `NAME_TOO_LONG`, `ID_INVALID`: the archive is hostile or broken; `ID_UNMAPPED`; those of TarParser; system errors
 */
export async function applyLayer(
  tar: AsyncIterable<Buffer>,
  root: string,
  options: ApplyOptions = {},
): Promise<ApplyResult> {
  const { result } = await unpack(tar, root, { ...options, form: undefined, lowers: () => [] })
  return result
}

/**
 * Unpacks a layer in overlay form into `dir`, which must exist and be empty. A parent without an entry in the layer
 * takes its metadata from the layers below; the target of a hard link that lies in one of them is copied up. Throws as
 * {@link applyLayer}, and EPERM where the caller may not make whiteouts or set the opaque xattr.
 */
export async function applyLayerOverlay(
  tar: AsyncIterable<Buffer>,
  dir: string,
  options: ApplyOverlayOptions = {},
): Promise<ApplyResult> {
  const { lowers = [], xattrs = 'trusted' } = options
  const { result, hasRoot } = await unpackOverlay(tar, dir, { ...options, lowers: () => lowers, xattrs })
  if (!hasRoot) adoptRoot(dir, lowers[0], options.idMap)
  return result
}

/** As {@link ApplyOverlayOptions}; the layers below need not be whole yet. */
export interface UnpackOptions extends Omit<ApplyOverlayOptions, 'lowers'> {
  /** Called when something depends on the layers below; returns when these are whole. */
  readonly lowers: () => readonly string[]
  readonly xattrs: XattrForm
}

export interface UnpackedOverlay {
  readonly result: ApplyResult
  /** False where the layer has no entry for its root; then the caller must call {@link adoptRoot}. */
  readonly hasRoot: boolean
}

/**
 * As {@link applyLayerOverlay}, without the attributes of the root directory, so that it depends on layers below only
 * where it must.
 */
export async function unpackOverlay(
  tar: AsyncIterable<Buffer>,
  dir: string,
  options: UnpackOptions,
): Promise<UnpackedOverlay> {
  return await unpack(tar, dir, { ...options, form: options.xattrs })
}

/**
 * Sets the attributes of the root in the overlay form. The root of a mount shows those of its topmost layer, so a layer
 * without an entry for its root takes those of the layer below. The first layer takes those of a parent without an
 * entry.
 *
 * @param below - the layer below, absolute, if there is one
 */
export function adoptRoot(dir: string, below: string | undefined, idMap: IdMap | undefined): void {
  const attributer = new Attributer(toDisk(idMap))
  const from = below === undefined ? undefined : binaryOf(below)
  const stat = from === undefined ? undefined : lstat(from)
  if (from === undefined || stat === undefined) attributer.set(Buffer.from(dir), 'other', DEFAULT_DIRECTORY)
  else attributer.copy(Buffer.from(dir), 'other', attributesOf({ path: from, stat }))
}

interface Options extends ApplyOptions {
  readonly form: XattrForm | undefined
  readonly lowers: () => readonly string[]
}

async function unpack(tar: AsyncIterable<Buffer>, root: string, options: Options): Promise<UnpackedOverlay> {
  const attributer = new Attributer(options.owner ? always(options.owner) : toDisk(options.idMap))
  const tree = new Tree(root, { attributer, form: options.form, lowers: options.lowers })
  const unpacker = new LayerUnpacker(tree, attributer, options)
  const parser = new TarParser({ holes: 'events' })
  const { writes, signal } = options
  try {
    for await (const chunk of tar) {
      signal?.throwIfAborted()
      for (const event of parser.push(chunk)) unpacker.take(event)
      await writes?.turn()
    }
    parser.finish()
    await writes?.drain()
  } finally {
    unpacker.close()
    // This happens after a failure too, since files are still open. A second failure is ignored.
    await writes?.drain().catch(() => undefined)
  }
  return { result: unpacker.result(), hasRoot: unpacker.hasRoot }
}
