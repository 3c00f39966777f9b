/**
 * img-gc: removes from the local store what nobody needs.
 *
 * @module
 */
import {
  blobFiles,
  type CacheUnit,
  type Counted,
  cacheUnits,
  DocumentReader,
  diskBytes,
  leftovers,
} from '@pipelayer/collection'
import { REF_NAME } from '@pipelayer/layout'
import type { AnyRecord, FailedRecord, GarbageRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import type { CacheRules } from './cache-plan.js'
import { type Plan, planGarbage } from './plan.js'
import { type RemoveAsOwner, recordOf, Sweep } from './sweep.js'

export { type RegistryGcOptions, registryGc } from './registry-folder.js'

export interface ImgGcOptions {
  /** The store's folder. */
  readonly root: string
  /** What was used or written in this time stays. */
  readonly minAgeMs: number
  /** How many bytes of the build cache may stay although they are older; without it, none. */
  readonly keepBytes?: number | undefined
  /** Tell what would be removed, and remove nothing. */
  readonly dryRun?: boolean
  /** How long to wait for other programs that use the store. */
  readonly waitMs: number
  readonly now: Date
  readonly signal?: AbortSignal
  /** Removes trees with files of other ids, which this process cannot. Without it, they stay. */
  readonly removeAsOwner?: RemoveAsOwner
}

/**
 * Yields a `garbage` record for each thing that was removed, in the order in which that was done, after all of it is out
 * of the reach of other programs; and a `failed` record for what stays. A store that does not exist has no garbage.
 *
 * Names are never touched. While the store is looked through and emptied, no other program of ours uses it, and new ones
 * wait; the trees of the build cache are removed after that. Memory: some 1 kB for each blob.
 *
 * @throws ToolError `STORE_BUSY`, status 75; `LEASE_UNAVAILABLE`; `LAYOUT_INVALID`: the index cannot be read, and
 * nothing is removed; the system's errors
 */
export async function* imgGc(options: ImgGcOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const { root, dryRun, keepBytes, waitMs, signal } = options
  const bytesOf = treeBytes()
  const shared = dryRun || keepBytes !== undefined ? Store.openIfThere(root) : undefined
  try {
    if (shared !== undefined && dryRun) yield* report(planOf(shared, options, bytesOf), bytesOf)
    // A search through all trees takes long, and others need not wait for it.
    else if (shared !== undefined) cacheUnits(shared).forEach(bytesOf)
  } finally {
    shared?.endLease()
  }
  const store = dryRun ? undefined : await Store.openAlone(root, { waitMs, signal })
  if (store === undefined) return
  const sweep = new Sweep(store, options.removeAsOwner ?? (async () => {}))
  let plan: Plan
  try {
    plan = planOf(store, options, bytesOf)
    signal?.throwIfAborted()
    await sweep.condemn(plan.garbage)
  } finally {
    store.endLease()
  }
  for (const fault of plan.faults) yield failureOf(fault)
  yield* sweep.finish()
}

type BytesOf = (unit: Pick<CacheUnit, 'paths'>) => number

/** Measures each unit once. */
function treeBytes(): BytesOf {
  const counted: Counted = new Set()
  const known = new Map<string, number>()
  return ({ paths }) => {
    const [name = ''] = paths
    const bytes = known.get(name) ?? paths.reduce((sum, path) => sum + diskBytes(path, counted), 0)
    known.set(name, bytes)
    return bytes
  }
}

function planOf(store: Store, { now, minAgeMs, keepBytes }: ImgGcOptions, bytesOf: BytesOf): Plan {
  const rules: CacheRules = { nowMs: now.getTime(), minAgeMs, keepBytes, treeBytes: bytesOf }
  // The index is read first: if that fails, nothing is removed.
  const roots = store.index().manifests
  const proofs = roots.flatMap(
    ({ annotations, digest }) => store.proofOf(annotations?.[REF_NAME] ?? '', digest) ?? [],
  )
  const survey = {
    roots,
    proofs,
    reader: new DocumentReader(store),
    blobs: blobFiles(store.root),
    units: cacheUnits(store),
    leftovers: leftovers(store),
  }
  return planGarbage(survey, rules)
}

function* report({ garbage, faults }: Plan, bytesOf: BytesOf): Generator<GarbageRecord | FailedRecord> {
  for (const fault of faults) yield failureOf(fault)
  for (const each of garbage) yield recordOf(each, { bytes: each.diskBytes ?? bytesOf(each), removed: false })
}

function failureOf({ code, message }: Plan['faults'][number]): FailedRecord {
  return { type: 'failed', tool: 'img-gc', code, message }
}
