/**
 * The journal of the mounts that ovl-mount made: a folder for each in `mounts/` of the store, with the file
 * `mount.json` and what the mount needs besides.
 *
 * A note is written before its mount is made and removed after it has gone, both under a lock. So garbage collection,
 * which asks the journal, never removes a layer that a mount shows, whenever a process is killed.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf } from '@pipelayer/errors'
import { replaceFile } from '@pipelayer/layout'
import { isAvailable, ofdLock, ownedName } from '@pipelayer/sys'
import { type MountMaker, type MountNote, readNote } from './mount-note.js'
import { MountSight, type MountState } from './mount-sight.js'

/** A mount that is written down. */
export interface MountEntry {
  /** The folder of the mount in the store. */
  readonly dir: string
  readonly note: MountNote
  readonly state: MountState
}

/** What its maker says of a mount. */
export interface NewMount extends Omit<MountNote, 'maker' | 'row' | 'unmounted'> {
  readonly maker: Omit<MountMaker, 'boot' | 'namespace'>
}

const NOTE = 'mount.json'

export class MountJournal {
  readonly #folder: string

  /** @param folder - `mounts/` of a store; it is made when a mount is written down */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** All mounts, in the order of their times. What is damaged is left out. */
  entries(sight?: MountSight): MountEntry[] {
    const names = this.#names()
    if (names.length === 0) return []
    const seen = sight ?? new MountSight()
    const found = names.flatMap(name => {
      const dir = path.join(this.#folder, name)
      const note = readNote(path.join(dir, NOTE))
      return note === undefined ? [] : [{ dir, note, state: seen.stateOf(name, note) }]
    })
    return found.toSorted((a, b) => (a.note.maker.created < b.note.maker.created ? -1 : 1))
  }

  /**
   * Writes a mount down that is about to be made. Until {@link keep} it counts as used as long as this process runs.
   *
   * @param check - is called with the other mounts while nobody else can write one down; what it throws is thrown
   * @throws {ToolError} the system's errors
   */
  reserve(note: NewMount, check: (others: readonly MountEntry[], sight: MountSight) => void): MountEntry {
    return this.#locked(() => {
      const sight = new MountSight()
      check(this.entries(sight), sight)
      const dir = path.join(this.#folder, ownedName('mount', randomBytes(6).toString('hex')))
      const { boot, namespace } = sight
      const whole: MountNote = { ...note, maker: { ...note.maker, boot, namespace } }
      attempt(`write "${dir}"`, () => {
        fs.mkdirSync(dir, { mode: 0o700 })
        write(dir, whole)
      })
      return { dir, note: whole, state: 'mounting' }
    })
  }

  /** Writes down that a mount is made: it counts as used from now on, until it is gone. */
  keep({ dir, note }: MountEntry): MountEntry {
    const row = new MountSight().top(note.dirs.target)
    if (row === undefined) throw new Error(`${note.dirs.target} is not mounted`)
    const { id, device, options } = row
    const kept = { ...note, row: { id, device, options } }
    attempt(`write "${dir}"`, () => write(dir, kept))
    return { dir, note: kept, state: 'mounted' }
  }

  /**
   * Writes down that a mount was unmounted, and forgets it if nothing uses it any more. Another mount namespace, or after
   * a lazy unmount a process, needs its layers until then.
   */
  leave({ dir, note }: MountEntry): void {
    if (note.made.includes('target')) removeEmpty(note.dirs.target)
    const made = note.made.filter(name => name !== 'target')
    const left: MountEntry = { dir, note: { ...note, made, unmounted: true }, state: 'elsewhere' }
    if (new MountSight().stateOf(path.basename(dir), note) === 'gone') this.forget(left)
    else attempt(`write "${dir}"`, () => write(dir, left.note))
  }

  /** Forgets a mount that is gone, or was not made, and removes the directories that were made for it. */
  forget({ dir, note }: MountEntry): void {
    const { work, target } = note.dirs
    if (note.made.includes('work') && work !== undefined) {
      // The kernel leaves a folder without permissions in it.
      for (const name of ['work', 'index']) fs.rmSync(path.join(work, name), { recursive: true, force: true })
      removeEmpty(work)
    }
    if (note.made.includes('target')) removeEmpty(target)
    fs.rmSync(dir, { recursive: true, force: true })
  }

  #names(): string[] {
    try {
      return fs.readdirSync(this.#folder).filter(name => name !== 'lock')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    }
  }

  #locked<T>(work: () => T): T {
    const file = path.join(this.#folder, 'lock')
    const fd = attempt(`lock "${file}"`, () => {
      fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      return fs.openSync(file, 'a+', 0o600)
    })
    try {
      if (isAvailable()) ofdLock(fd, 'exclusive', { wait: true })
      return work()
    } finally {
      fs.closeSync(fd)
    }
  }
}

function write(dir: string, note: MountNote): void {
  replaceFile(path.join(dir, NOTE), path.join(dir, `.${NOTE}.${process.pid}`), JSON.stringify(note))
}

// A directory that somebody has put something into stays.
function removeEmpty(dir: string): void {
  try {
    fs.rmdirSync(dir)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EBUSY', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? ''))
      throw error
  }
}
