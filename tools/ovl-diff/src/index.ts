/**
 * ovl-diff: finds the changes of a build step.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises'
import { type DiffOptions, diffOverlay, diffTrees } from '@pipelayer/change-set'
import { ToolError } from '@pipelayer/errors'
import {
  type AnyRecord,
  type ChangeRecord,
  changesDigest,
  type IdMap,
  type LayerBeginRecord,
  type MountRecord,
} from '@pipelayer/records'
import { isSameMap, isWholeMap, ownIdMap } from '@pipelayer/rootfs'

export { type DiffImagesOptions, diffTwoImages } from './images.js'

/** The directories of one layer's changes: an overlay upper directory, or two trees. Paths are absolute. */
export interface LayerSource {
  readonly image: string
  readonly upper?: string | undefined
  /** The lower directories, nearest first. Without them, nothing is known about the files below. */
  readonly lowers?: readonly string[] | undefined
  /** Without it, every entry of `after` is an addition. */
  readonly before?: string | undefined
  readonly after?: string | undefined
  readonly xattrs?: 'trusted' | 'user' | undefined
  readonly idMap?: IdMap | undefined
  readonly createdBy?: string | undefined
  readonly created?: string | undefined
  readonly cacheKey?: string | undefined
}

export interface OvlDiffOptions {
  /**
   * Keep all xattrs except those of overlayfs. Such a layer gets no cacheKey, because the key of a step stands for the
   * layer with fewer xattrs.
   */
  readonly allXattrs?: boolean
  readonly onWarning?: (message: string) => void
  /** Is called once if steps come packed and are therefore not compared. */
  readonly onInfo?: (message: string) => void
  readonly signal?: AbortSignal
}

/** After this many changes, signals are handled, since the disk is read synchronously. */
const PAUSE_EVERY = 256

/**
 * Turns each `snapshot`, and each `mount` with an upper, into `layer-begin`, one `change` for each path, and
 * `layer-end`; other records pass.
 *
 * @throws ToolError `SNAPSHOT_INVALID`; `SNAPSHOT_MAPPED` for trees that only a user namespace can read; `STEP_PACKED`
 * if xattrs are asked for that a packed step has lost: run kf-run
 *   with --snapshots; those of diffOverlay and diffTrees
 */
export async function* ovlDiff(
  records: AsyncIterable<AnyRecord>,
  options: OvlDiffOptions = {},
): AsyncGenerator<AnyRecord, void, void> {
  let isTold = false
  for await (const record of records) {
    // The schema guarantees that the fields have these types.
    if (record.type === 'snapshot') {
      yield* diffLayer(record as unknown as LayerSource, options)
      continue
    }
    if (record.type === 'mount' && record.upper !== undefined) {
      const { image, upper, lowers, xattrs } = record as MountRecord
      yield* diffLayer({ image, upper, lowers, xattrs, createdBy: 'ovl-mount' }, options)
      continue
    }
    if (isPacked(record)) {
      if (options.allXattrs) throw packed(record)
      if (!isTold) options.onInfo?.('steps that come packed are not compared (kf-run --snapshots gives them)')
      isTold = true
    }
    yield record
  }
}

// Whether a record is a layer that kf-run took from its cache.
function isPacked({ type, encoding }: AnyRecord): boolean {
  return type === 'layer' && encoding !== undefined
}

function packed({ createdBy }: AnyRecord): ToolError {
  return new ToolError(
    'STEP_PACKED',
    `cannot keep every xattr of ${JSON.stringify(createdBy ?? 'a step')}: it comes packed from the cache; run kf-run with --snapshots`,
  )
}

/** The records of one layer. Throws as {@link ovlDiff} does. */
export async function* diffLayer(
  source: LayerSource,
  options: OvlDiffOptions = {},
): AsyncGenerator<AnyRecord, void, void> {
  const digest = changesDigest()
  yield beginOf(source, options)
  for (const change of changesOf(source, options)) {
    digest.update(change)
    yield change
    if (digest.count % PAUSE_EVERY !== 0) continue
    await setImmediate()
    options.signal?.throwIfAborted()
  }
  yield { type: 'layer-end', changes: digest.count, digest: digest.digest() }
}

function beginOf(source: LayerSource, { allXattrs }: OvlDiffOptions): LayerBeginRecord {
  const { image, createdBy, created, cacheKey } = source
  return {
    type: 'layer-begin',
    image,
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(created === undefined ? {} : { created }),
    ...(cacheKey === undefined || allXattrs ? {} : { cacheKey }),
  }
}

function changesOf(source: LayerSource, options: OvlDiffOptions): Iterable<ChangeRecord> {
  const { upper, lowers, before, after, xattrs } = source
  const idMap = source.idMap && mapFromHere(source.idMap)
  const how: DiffOptions = { ...options, ...(idMap === undefined ? {} : { idMap }) }
  if (upper !== undefined) {
    const dirs = {
      upper,
      ...(lowers === undefined ? {} : { lowers }),
      ...(xattrs === undefined ? {} : { xattrs }),
    }
    return diffOverlay(dirs, how)
  }
  if (after !== undefined) return diffTrees(before, after, how)
  throw new ToolError(
    'SNAPSHOT_INVALID',
    `a snapshot of image "${source.image}" has neither "upper" nor "after"`,
  )
}

/**
 * The map from the ids that this process sees to those of the image; undefined inside the user namespace itself. Files
 * of other owners can only be read there, or by root.
 */
function mapFromHere(idMap: IdMap): IdMap | undefined {
  const here = ownIdMap()
  if (isSameMap(here, idMap)) return undefined
  const uid = process.geteuid?.()
  const isOwn = idMap.uid.length === 1 && idMap.uid[0]?.[1] === uid && idMap.uid[0]?.[2] === 1
  if (isOwn || (uid === 0 && isWholeMap(here))) return idMap
  throw new ToolError(
    'SNAPSHOT_MAPPED',
    'the snapshot can only be read in the user namespace that it was made in: run kf-run without --snapshots, or the whole pipe inside one (podman unshare, unshare --map-root-user --map-auto)',
  )
}
