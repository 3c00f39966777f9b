/**
 * A mount, written down in the store before it is made.
 *
 * @module
 */
import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'
import { copyRoot, OverlayMounter } from '@pipelayer/overlays'
import type { MadeDir, MountDirs, MountEntry, MountJournal, MountSight } from '@pipelayer/store'
import { type MountPlaces, mountedAlready, shownIn } from './places.js'

/** A mount that is to be made. */
export interface Mounting {
  readonly places: MountPlaces
  /** Real paths, nearest first. */
  readonly lowers: readonly string[]
  readonly reference?: string | undefined
  readonly xattrs: 'trusted' | 'user'
  /** RFC 3339. */
  readonly created: string
  /** The process for whose command it is. */
  readonly pid?: number
}

/** What is needed to mount; it can be sent to another process. */
export interface MountOrder extends MountDirs {
  readonly shown?: Omit<MountDirs, 'target'>
  readonly xattrs: 'trusted' | 'user'
  /** A folder for what the mount needs besides, which lasts as long as it. */
  readonly folder: string
  /** The upper was made for it, and gets the metadata of the nearest lower. */
  readonly hasNewUpper: boolean
}

/**
 * Writes a mount down and makes its missing directories.
 *
 * @throws ToolError `UPPER_BUSY`, `TARGET_MOUNTED`, the system's errors; nothing is left then
 */
export function prepareMount(
  journal: MountJournal,
  mounting: Mounting,
): { entry: MountEntry; order: MountOrder } {
  const { places, lowers, reference, xattrs, created, pid } = mounting
  const { target, upper, work } = places
  const dirs = {
    target: target.dir,
    lowers,
    ...(upper === undefined ? {} : { upper: upper.dir }),
    ...(work === undefined ? {} : { work: work.dir }),
  }
  const made: MadeDir[] = [
    ...(target.isNew ? ['target' as const] : []),
    ...(work?.isNew ? ['work' as const] : []),
  ]
  const maker = { uid: process.geteuid?.() ?? 0, created, ...(pid === undefined ? {} : { pid }) }
  const note = { dirs, maker, xattrs, made, ...(reference === undefined ? {} : { reference }) }
  const entry = journal.reserve(note, (others, sight) => checkFree(mounting, others, sight))
  try {
    for (const place of [target, upper, work])
      if (place?.isNew) attempt(`make "${place.dir}"`, () => fs.mkdirSync(place.dir))
  } catch (error) {
    undoMount(journal, entry, mounting)
    throw error
  }
  const shown = shownIn(places)
  const order = {
    ...dirs,
    xattrs,
    folder: entry.dir,
    hasNewUpper: upper?.isNew === true,
    ...(shown ? { shown } : {}),
  }
  return { entry, order }
}

/** Removes what {@link prepareMount} made. An upper that something was written to stays. */
export function undoMount(journal: MountJournal, entry: MountEntry, { places: { upper } }: Mounting): void {
  journal.forget(entry)
  if (upper?.isNew && fs.existsSync(upper.dir) && fs.readdirSync(upper.dir).length === 0)
    fs.rmdirSync(upper.dir)
}

// With the options that keep an upper fit for a layer, the kernel would let two mounts write to it and mix them up.
function checkFree(
  { places: { target, upper, work, wish }, pid }: Mounting,
  others: readonly MountEntry[],
  { table }: MountSight,
): void {
  const used = others.filter(({ state }) => state !== 'gone')
  const mounted = used.find(
    ({ note, state }) => note.dirs.target === target.dir && state !== 'private' && state !== 'elsewhere',
  )
  if (mounted !== undefined && pid === undefined && !wish.over) throw mountedAlready(target.dir)
  const written = [upper, work].flatMap(place => place?.dir ?? [])
  for (const { dirs } of used.map(({ note }) => note))
    for (const dir of [dirs.upper, dirs.work])
      if (dir !== undefined && written.includes(dir)) throw busy(dir, dirs.target)
  for (const { type, options, target: other } of table)
    for (const option of type === 'overlay' ? options.split(',') : []) {
      const [name, dir = ''] = option.split('=', 2)
      if ((name === 'upperdir' || name === 'workdir') && written.includes(dir)) throw busy(dir, other)
    }
}

function busy(dir: string, target: string): ToolError {
  return new ToolError(
    'UPPER_BUSY',
    `"${dir}" is written to by the mount on "${target}": two mounts would mix up what they write`,
  )
}

/** @throws ToolError `OVERLAY_MISSING`, `MOUNT_REFUSED`, `MOUNT_NOT_PERMITTED`, the system's errors */
export function mountOrder({ target, folder, xattrs, hasNewUpper, ...overlay }: MountOrder): void {
  const [nearest] = overlay.lowers
  if (hasNewUpper && overlay.upper !== undefined && nearest !== undefined) copyRoot(nearest, overlay.upper)
  try {
    new OverlayMounter(folder, xattrs).mount(overlay, target)
  } catch (error) {
    throw error instanceof ToolError ? explained(error, target) : error
  }
}

function explained(error: ToolError, target: string): ToolError {
  const told = (code: string, why: string): ToolError =>
    new ToolError(code, `cannot mount an overlay on "${target}": ${why}`, { cause: error })
  switch (error.code) {
    case 'ENODEV':
      return told('OVERLAY_MISSING', 'the kernel has no overlay file system (modprobe overlay loads it)')
    case 'EPERM':
      return told('MOUNT_NOT_PERMITTED', 'the kernel does not permit it here')
    case 'EINVAL':
      return told(
        'MOUNT_REFUSED',
        'the kernel refuses one of the directories (dmesg says which): an upper needs a file system with xattrs and no network, and overlays lie on each other only twice',
      )
    default:
      return error
  }
}
