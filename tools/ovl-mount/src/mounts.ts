/**
 * The mounts that are written down: listed, unmounted, and forgotten when they are gone.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { systemError, ToolError } from '@pipelayer/errors'
import type { AnyRecord, FailedRecord, MountRecord } from '@pipelayer/records'
import { type MountEntry, type MountJournal, MountSight, Store } from '@pipelayer/store'
import {
  MNT_DETACH,
  type MountRow,
  mountTable,
  namedProcesses,
  UMOUNT_NOFOLLOW,
  umount2,
  usesMount,
} from '@pipelayer/sys'
import type { OvlMountOptions } from './options.js'

type Options = Pick<OvlMountOptions, 'store' | 'onWarning'>

/** Yields a `mount` record for each mount, or for each of `targets`; a `failed` record for one that is no mount. */
export function* listMounts(options: Options, targets: readonly string[]): Generator<AnyRecord, void, void> {
  const entries = entriesOf(options)
  const wanted = targets.length === 0 ? entries : targets.map(target => entryOf(entries, target) ?? target)
  let count = 0
  for (const each of wanted)
    yield typeof each === 'string' ? failure(unknown(each, options)) : recordOf(each, String(++count))
}

/** Unmounts one after the other; a `failed` record tells what stays. */
export function* unmountAll(
  options: Options,
  { targets, lazy }: { readonly targets: readonly string[]; readonly lazy: boolean },
): Generator<AnyRecord, void, void> {
  let count = 0
  for (const target of targets) {
    try {
      const record = unmountOne(options, target, lazy ? MNT_DETACH : 0)
      if (record !== undefined) yield { ...record, image: String(++count) }
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      yield failure(error)
    }
  }
}

/** Forgets the mounts that are gone: the machine was started anew, or somebody else has unmounted them. */
export function sweepMounts(journal: MountJournal, onWarning: Options['onWarning']): MountEntry[] {
  const entries = journal.entries()
  for (const entry of entries.filter(({ state }) => state === 'gone')) {
    const { dirs, row, unmounted } = entry.note
    // What a killed process left of a mount for its command, or before it mounted, is nobody's business.
    if (row !== undefined && unmounted === undefined)
      onWarning(`"${dirs.target}" is not mounted any more, and is forgotten: ovl-mount did not unmount it`)
    journal.forget(entry)
  }
  return entries.filter(({ state }) => state !== 'gone')
}

export function recordOf({ note, state }: MountEntry, image: string): MountRecord {
  const { dirs, xattrs, reference, maker } = note
  const { uid, created, pid } = maker
  return {
    type: 'mount',
    image,
    ...dirs,
    xattrs,
    ...(reference === undefined ? {} : { reference }),
    uid,
    created,
    ...(pid === undefined ? {} : { pid }),
    state: state === 'gone' ? 'unmounted' : state,
  }
}

function entriesOf({ store, onWarning }: Options): MountEntry[] {
  const opened = Store.openIfThere(store)
  return opened === undefined ? [] : sweepMounts(opened.mounts(), onWarning)
}

function entryOf(entries: readonly MountEntry[], target: string): MountEntry | undefined {
  const dir = realPath(path.resolve(target))
  const found = entries.filter(({ note }) => note.dirs.target === dir)
  return found.findLast(({ state }) => state === 'mounted') ?? found.at(-1)
}

// A mount whose file system fails has no real path, but its name may be that which is written down.
function realPath(dir: string): string {
  try {
    return fs.realpathSync(dir)
  } catch {
    return dir
  }
}

function unmountOne(options: Options, target: string, flags: number): MountRecord {
  const journal = Store.openIfThere(options.store)?.mounts()
  const entry = entryOf(journal?.entries() ?? [], target)
  if (journal === undefined || entry === undefined) throw unknown(target, options)
  const { note, state } = entry
  if (state === 'gone') {
    journal.forget(entry)
    if (note.unmounted || note.row === undefined) throw unknown(target, options)
    options.onWarning(`"${note.dirs.target}" was not mounted any more`)
  } else {
    detach(rowToUnmount(entry), flags)
    journal.leave(entry)
  }
  return { ...recordOf(entry, '1'), state: 'unmounted' }
}

function rowToUnmount({ note, state }: MountEntry): MountRow {
  if (state === 'private' || state === 'mounting')
    throw new ToolError(
      'MOUNT_PRIVATE',
      `"${note.dirs.target}" is mounted by another ovl-mount, for its command (pid ${note.maker.pid ?? 'unknown'}), and goes with it`,
    )
  const sight = new MountSight()
  const row = sight.rowOf(note)
  if (row === undefined)
    throw new ToolError(
      'MOUNT_ELSEWHERE',
      `"${note.dirs.target}" is not mounted here, but is still used by ${usersOf(note.row)}`,
    )
  if (sight.top(row.target) !== row)
    throw new ToolError('MOUNT_COVERED', `something else is mounted over "${row.target}": unmount that first`)
  return row
}

function detach(row: MountRow, flags: number): void {
  try {
    umount2(row.target, flags | UMOUNT_NOFOLLOW)
  } catch (error) {
    const failed = systemError(error, `unmount "${row.target}"`)
    if (!(failed instanceof ToolError) || failed.code !== 'EBUSY') throw failed
    throw new ToolError(
      'MOUNT_BUSY',
      `cannot unmount "${row.target}": it is used by ${usersOf(row)} (--lazy takes it away now, for all but them)`,
      { status: 75 },
    )
  }
}

function usersOf(row: (Pick<MountRow, 'id' | 'device'> & { readonly target?: string }) | undefined): string {
  if (row === undefined) return 'others'
  const inside = mountTable()
    .filter(({ target }) => row.target !== undefined && target.startsWith(`${row.target}/`))
    .map(({ target }) => `the mount on "${target}"`)
  const users = [...inside.slice(0, 1), ...namedProcesses(pid => usesMount(pid, row))]
  return users.length === 0 ? 'processes that cannot be seen here' : users.join(', ')
}

function unknown(target: string, { store }: Options): ToolError {
  return new ToolError(
    'MOUNT_UNKNOWN',
    `"${target}" is no mount of ovl-mount that the store "${store}" knows: umount unmounts others, --store names another store`,
  )
}

function failure({ code, message }: ToolError): FailedRecord {
  return { type: 'failed', tool: 'ovl-mount', code, message }
}
