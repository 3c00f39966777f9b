/**
 * Garbage collection of the folder of a registry.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { DocumentReader, diskBytes } from '@pipelayer/collection'
import { blobsIn, DistributionFolder, repositoriesIn, temporariesIn } from '@pipelayer/distribution-folder'
import { errnoOf, messageOf } from '@pipelayer/errors'
import type { AnyRecord, FailedRecord, GarbageRecord } from '@pipelayer/records'
import { isOrphan } from '@pipelayer/sys'
import { type FolderGarbage, type FolderSurvey, planFolder } from './registry-plan.js'
import { removeTree } from './remove.js'

export interface RegistryGcOptions {
  /** The folder that has `docker/registry/v2`. */
  readonly root: string
  /** What was written in this time stays. */
  readonly minAgeMs: number
  /** Remove manifests to which no tag leads, too. */
  readonly deleteUntagged?: boolean
  readonly dryRun?: boolean
  readonly now: Date
  readonly signal?: AbortSignal
}

/**
 * Yields a `garbage` record for each thing that was removed, in that order, and a `failed` record for what stays, and for
 * manifests that cannot be read.
 *
 * There is no lock that a registry knows: while one takes pushes, only `minAgeMs` protects what it is writing. Memory:
 * some 500 bytes for each blob and each link.
 *
 * @throws ToolError `FOLDER_MISSING`; `FOLDER_LINKED`: nothing is removed; the system's errors
 */
export async function* registryGc(options: RegistryGcOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const { root, minAgeMs, now, deleteUntagged = false, dryRun = false, signal } = options
  const folder = DistributionFolder.open(root)
  const rules = { nowMs: now.getTime(), minAgeMs, deleteUntagged }
  const { garbage, faults } = planFolder(surveyOf(folder), rules)
  signal?.throwIfAborted()
  for (const { code, message } of faults) yield { type: 'failed', tool: 'img-gc', code, message }
  for (const each of garbage) {
    // Removing is synchronous; this lets signals be heard.
    await new Promise(resolve => setImmediate(resolve))
    signal?.throwIfAborted()
    const record = dryRun ? recordOf(each, { bytes: bytesOf(each), removed: false }) : removed(each)
    if (record !== undefined) yield record
  }
}

function surveyOf(folder: DistributionFolder): FolderSurvey {
  const { paths } = folder
  // Names are read before blobs: a blob that is put meanwhile is then seen as one without a name, and is young.
  const repositories = [...repositoriesIn(paths)]
  return {
    repositories,
    blobs: [...blobsIn(paths)],
    temporaries: temporariesIn(paths).map(found => ({
      ...found,
      isOrphan: isOrphan(path.basename(found.path)),
    })),
    reader: new DocumentReader(folder),
  }
}

function bytesOf({ found, also }: FolderGarbage): number {
  return [found.path, ...also].reduce((sum, file) => sum + diskBytes(file), 0)
}

function removed(garbage: FolderGarbage): GarbageRecord | FailedRecord | undefined {
  const { found, also } = garbage
  try {
    // Somebody has written it since it was looked at, or has removed it.
    const stat = fs.lstatSync(found.path, { throwIfNoEntry: false })
    if (stat === undefined || isWritten(garbage, stat)) return undefined
    const bytes = [found.path, ...also].reduce((sum, file) => sum + removeTree(file), 0)
    // The folder has the name of the blob, and nothing else in it.
    if (garbage.kind === 'blob') removeFolder(path.dirname(found.path))
    return recordOf(garbage, { bytes, removed: true })
  } catch (error) {
    return failureOf(garbage, error)
  }
}

// Of a link it is the file in the folder that tells.
function isWritten({ kind, found }: FolderGarbage, stat: fs.Stats): boolean {
  if (kind === 'blob' || kind === 'temporary') return stat.mtimeMs !== found.usedMs
  if (kind === 'upload') return false
  const link = fs.lstatSync(path.join(found.path, 'link'), { throwIfNoEntry: false })
  return link !== undefined && link.mtimeMs !== found.usedMs
}

function removeFolder(folder: string): void {
  try {
    fs.rmdirSync(folder)
  } catch (error) {
    // The blob may have been put again.
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTEMPTY') throw error
  }
}

function recordOf(
  { kind, reason, digest, found }: FolderGarbage,
  { bytes, removed: isRemoved }: { readonly bytes: number; readonly removed: boolean },
): GarbageRecord {
  return {
    type: 'garbage',
    kind,
    ...(digest !== undefined && { digest }),
    path: found.path,
    size: bytes,
    reason,
    removed: isRemoved,
  }
}

function failureOf({ kind, found }: FolderGarbage, problem: unknown): FailedRecord {
  const message = `cannot remove the ${kind} "${found.path}": ${messageOf(problem)}`
  const item = { kind, path: found.path }
  return { type: 'failed', tool: 'img-gc', code: 'GARBAGE_KEPT', message, item }
}
