/**
 * The directories of a mount, looked at before anything is made or mounted.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import type { MountDirs } from '@pipelayer/store'
import { mountTable } from '@pipelayer/sys'

/** What the user wants to have mounted: names as they were written. */
export interface MountWish {
  readonly target: string
  /** Nearest first. Without them the layers of an image are mounted. */
  readonly lowers?: readonly string[]
  readonly upper?: string
  readonly work?: string | undefined
  /** The target may hold something, which is not seen then. */
  readonly over: boolean
}

/** A directory by its real path. */
export interface Place {
  readonly dir: string
  /** It is not there yet, but its parent is. */
  readonly isNew: boolean
}

export interface MountPlaces {
  readonly target: Place
  readonly lowers?: readonly string[]
  readonly upper?: Place
  readonly work?: Place
  readonly wish: MountWish
}

const OVERLAYFS_MAGIC = 0x794c7630

/**
 * @throws ToolError `NOT_A_DIRECTORY`, `TARGET_MOUNTED`, `TARGET_NOT_EMPTY`, `DIRECTORIES_OVERLAP`, `WORK_ELSEWHERE`,
 *   `UPPER_UNSUITABLE`, the system's errors; nothing is made
 */
export function placesOf(wish: MountWish): MountPlaces {
  const target = placeOf('the target', wish.target)
  if (!target.isNew && !wish.over) checkTarget(target.dir)
  const lowers = wish.lowers?.map(dir => realDir('the lower', dir))
  const places = { target, wish, ...(lowers === undefined ? {} : { lowers }) }
  if (wish.upper === undefined) {
    checkOverlaps(lowers ?? [], target.dir)
    return places
  }
  const upper = placeOf('the upper', wish.upper)
  const work = placeOf('the work directory', wish.work ?? `${upper.dir}.work`)
  checkOverlaps([...(lowers ?? []), upper.dir, work.dir], target.dir, [upper.dir, work.dir])
  checkUpper(upper, work)
  return { ...places, upper, work }
}

/** The directories of a mount by the names that the kernel is to show: as they were written. */
export function shownIn({ wish, upper, work }: MountPlaces): Omit<MountDirs, 'target'> | undefined {
  const { lowers } = wish
  if (lowers === undefined) return undefined
  if (upper === undefined || work === undefined) return { lowers }
  return { lowers, upper: wish.upper ?? upper.dir, work: wish.work ?? work.dir }
}

function realDir(what: string, name: string): string {
  const place = placeOf(what, name)
  if (!place.isNew) return place.dir
  throw new ToolError('ENOENT', `cannot use ${what} "${name}": no such file or directory`)
}

function placeOf(what: string, name: string): Place {
  return attempt(`use ${what} "${name}"`, () => {
    const dir = realPath(path.resolve(name))
    if (dir === undefined) {
      const parent = fs.realpathSync(path.dirname(path.resolve(name)))
      return { dir: path.join(parent, path.basename(path.resolve(name))), isNew: true }
    }
    if (!fs.statSync(dir).isDirectory())
      throw new ToolError('NOT_A_DIRECTORY', `cannot use ${what} "${name}": it is no directory`)
    return { dir, isNew: false }
  })
}

function realPath(file: string): string | undefined {
  try {
    return fs.realpathSync(file)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    // A symlink that leads nowhere is not a place where a directory can be made.
    if (fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined) throw error
    return undefined
  }
}

function checkTarget(target: string): void {
  if (mountTable().some(row => row.target === target && row.type === 'overlay')) throw mountedAlready(target)
  const [first] = attempt(`read "${target}"`, () => fs.readdirSync(target))
  if (first !== undefined)
    throw new ToolError(
      'TARGET_NOT_EMPTY',
      `the target "${target}" is not empty: choose another, or hide what is in it with --over`,
    )
}

export function mountedAlready(target: string): ToolError {
  return new ToolError(
    'TARGET_MOUNTED',
    `an overlay is mounted on "${target}" already: unmount it first (ovl-mount --unmount "${target}")`,
  )
}

// The kernel calls this a loop of symlinks, so it is told here which directory lies in which.
function checkOverlaps(dirs: readonly string[], target: string, written: readonly string[] = []): void {
  const seen = new Set<string>()
  for (const dir of dirs) {
    if (seen.has(dir)) throw overlap(`"${dir}" is given twice`)
    seen.add(dir)
  }
  for (const dir of dirs)
    for (const parent of parentsOf(dir)) if (seen.has(parent)) throw overlap(`"${dir}" lies in "${parent}"`)
  for (const dir of [target, ...parentsOf(target)])
    if (written.includes(dir)) throw overlap(`the target "${target}" lies in "${dir}", which is written to`)
}

function parentsOf(dir: string): string[] {
  const parent = path.dirname(dir)
  return parent === dir ? [] : [parent, ...parentsOf(parent)]
}

function overlap(what: string): ToolError {
  return new ToolError(
    'DIRECTORIES_OVERLAP',
    `the directories of a mount must lie beside each other: ${what}`,
  )
}

function checkUpper(upper: Place, work: Place): void {
  const [home, other] = [upper, work].map(({ dir, isNew }) => (isNew ? path.dirname(dir) : dir)) as [
    string,
    string,
  ]
  const [device, workDevice] = [home, other].map(dir => attempt(`use "${dir}"`, () => fs.statSync(dir).dev))
  if (device !== workDevice)
    throw new ToolError(
      'WORK_ELSEWHERE',
      `the work directory "${work.dir}" is not on the file system of the upper "${upper.dir}": choose it with --work`,
    )
  if (attempt(`use "${home}"`, () => fs.statfsSync(home).type) === OVERLAYFS_MAGIC)
    throw new ToolError(
      'UPPER_UNSUITABLE',
      `the upper "${upper.dir}" lies on an overlay, which cannot hold one: choose a directory on a disk or in memory`,
    )
}
