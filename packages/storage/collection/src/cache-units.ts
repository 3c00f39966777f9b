/**
 * The build cache of a store in units that are used, and removed, as a whole.
 *
 * | kind | unit |
 * |---|---|
 * | step | `steps/FORM/KEY` of every form, `packed/KEY`, and links `steps/FORM/OTHER.current` that lead to KEY |
 * | layer | `layers/FORM/CHAINID` |
 * | cache | `caches/FORM/ID` and `ID.lock` |
 * | git | `git/ADDRESS` and `ADDRESS.lock` |
 * | http | `http/ADDRESS.json`, and the blob that it names |
 * | context | `contexts/PATH`, and the files beside it that begin with that name |
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { encodedOf, isDigest } from '@pipelayer/digest'
import { isObject, MAX_DOCUMENT } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import { readRegular } from '@pipelayer/sys'
import { namesIn } from './disk-bytes.js'

/** A part of the build cache. */
export interface CacheUnit {
  readonly kind: 'step' | 'layer' | 'cache' | 'git' | 'http' | 'context'
  /** Files and trees, absolute; the first one names the unit. */
  readonly paths: readonly string[]
  /** When the unit was used last: milliseconds since 1970; of what a mount shows, a time that nothing reaches. */
  readonly usedMs: number
  /** Blobs that the unit needs. */
  readonly digests: readonly string[]
  /** Of a step: the paths in the store of the steps and layers that it was executed on. */
  readonly below: readonly string[]
}

/** The note in the folder of a step. */
const STEP_NOTE = 'step.json'
const CURRENT = '.current'

/** All units of a store, in no particular order. @throws the system's errors */
export function cacheUnits(store: Store): CacheUnit[] {
  const mounted = mountedDirs(store)
  const isMounted = ({ paths }: CacheUnit): boolean => paths.some(each => mounted.has(each))
  return unitsIn(store).map(unit => (isMounted(unit) ? { ...unit, usedMs: Number.MAX_SAFE_INTEGER } : unit))
}

/** The units, as `STORE/AREA/FORM/NAME`, whose directories are in use by mounts. */
function mountedDirs(store: Store): Set<string> {
  const root = fs.realpathSync(store.root)
  const used = store
    .mounts()
    .entries()
    .filter(({ state }) => state !== 'gone')
    .flatMap(({ note: { dirs } }) => [...dirs.lowers, dirs.upper ?? [], dirs.work ?? []].flat())
  const inStore = used.map(dir => path.relative(root, dir)).filter(name => !name.startsWith('..'))
  return new Set(inStore.map(name => path.join(store.root, ...name.split('/').slice(0, 3))))
}

function unitsIn(store: Store): CacheUnit[] {
  return [
    ...stepUnits(store),
    ...formsIn(store.folder('layers')).flatMap(({ dir }) => groupsIn(dir, 'layer', name => name)),
    ...formsIn(store.folder('caches')).flatMap(({ dir }) => groupsIn(dir, 'cache', withoutSuffix)),
    ...groupsIn(store.folder('git'), 'git', withoutSuffix),
    ...groupsIn(store.folder('contexts'), 'context', withoutSuffix),
    ...groupsIn(store.folder('http'), 'http', withoutSuffix).map(unit => ({
      ...unit,
      digests: unit.paths.flatMap(digestIn),
    })),
  ]
}

interface StepParts {
  readonly paths: string[]
  readonly digests: string[]
  readonly below: string[]
  usedMs: number
}

function stepUnits(store: Store): CacheUnit[] {
  const steps = new Map<string, StepParts>()
  const partsOf = (key: string): StepParts => {
    const parts = steps.get(key) ?? { paths: [], digests: [], below: [], usedMs: 0 }
    steps.set(key, parts)
    return parts
  }
  for (const { dir, name } of formsIn(store.folder('steps')).flatMap(form => entriesIn(form.dir))) {
    const file = path.join(dir, name)
    const key = name.endsWith(CURRENT) ? targetOf(file) : withoutSuffix(name)
    const parts = partsOf(key ?? name)
    parts.paths.push(file)
    parts.usedMs = Math.max(parts.usedMs, usedAt(file))
    parts.below.push(...belowIn(path.join(file, STEP_NOTE)))
  }
  for (const { dir, name } of entriesIn(store.folder('packed'))) {
    const parts = partsOf(name)
    const folder = path.join(dir, name)
    const records = namesIn(folder).map(record => path.join(folder, record))
    parts.paths.push(folder)
    parts.usedMs = Math.max(parts.usedMs, ...[folder, ...records].map(usedAt))
    parts.digests.push(...records.flatMap(digestIn))
  }
  return [...steps.values()].map(parts => ({ kind: 'step', ...parts }))
}

/** Files whose names are equal up to a suffix, such as a lock beside the tree that it protects, are one unit. */
function groupsIn(folder: string, kind: CacheUnit['kind'], nameOf: (name: string) => string): CacheUnit[] {
  const groups = new Map<string, { paths: string[]; usedMs: number }>()
  for (const { dir, name } of entriesIn(folder)) {
    const group = groups.get(nameOf(name)) ?? { paths: [], usedMs: 0 }
    groups.set(nameOf(name), group)
    const file = path.join(dir, name)
    group.paths.push(file)
    group.usedMs = Math.max(group.usedMs, usedAt(file))
  }
  return [...groups.values()].map(group => ({ kind, ...group, digests: [], below: [] }))
}

function formsIn(folder: string): { readonly dir: string }[] {
  return namesIn(folder).map(form => ({ dir: path.join(folder, form) }))
}

function entriesIn(dir: string): { readonly dir: string; readonly name: string }[] {
  return namesIn(dir).map(name => ({ dir, name }))
}

function withoutSuffix(name: string): string {
  return name.split('.', 1)[0] || name
}

function usedAt(file: string): number {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** The key that a link `KEY.current` leads to. */
function targetOf(link: string): string | undefined {
  try {
    const target = fs.readlinkSync(link)
    return isDigest(target) ? encodedOf(target) : undefined
  } catch {
    return undefined
  }
}

function belowIn(note: string): string[] {
  const below = noteIn(note)?.below
  return Array.isArray(below) ? below.filter(each => typeof each === 'string') : []
}

function digestIn(file: string): string[] {
  const digest = noteIn(file)?.digest
  return isDigest(digest) ? [digest] : []
}

// A note that is damaged, or not ours to read, counts for nothing, as it does for a build.
function noteIn(file: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(readRegular(file, MAX_DOCUMENT).toString('utf8'))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
