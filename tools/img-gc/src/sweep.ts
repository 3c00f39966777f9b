import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { bytesOnDisk, diskBytes } from '@pipelayer/collection'
import { errnoOf, messageOf } from '@pipelayer/errors'
import type { FailedRecord, GarbageRecord } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'
import { makeFolder, ownedName } from '@pipelayer/sys'
import type { Garbage } from './plan.js'
import { removeTree } from './remove.js'

/** Errors about files of other users, or that are deeper than a path can name. A shell as their owner can remove them. */
const FOREIGN = new Set(['EACCES', 'EPERM', 'ENOTEMPTY', 'ENAMETOOLONG'])

/** Removes trees as the owner of their files would, and reports nothing: what stays is seen afterwards. */
export type RemoveAsOwner = (trees: readonly string[]) => Promise<void>

interface Condemned {
  readonly garbage: Garbage
  /** Where its trees lie now. */
  readonly trees: string[]
  bytes: number
  problem?: unknown
}

/**
 * Removes garbage in two strokes. {@link condemn} takes everything out of the reach of other programs, and must be
 * called while nobody works with the store: files are removed, and trees are moved into `tmp`, which takes no time
 * whatever they hold. {@link finish} then removes the trees. If the process is killed in between, their new name tells
 * the next program that they are left behind.
 */
export class Sweep {
  readonly #store: Store
  readonly #removeAsOwner: RemoveAsOwner
  readonly #condemned: Condemned[] = []
  #bin: string | undefined
  #count = 0

  constructor(store: Store, removeAsOwner: RemoveAsOwner) {
    this.#store = store
    this.#removeAsOwner = removeAsOwner
  }

  async condemn(all: readonly Garbage[]): Promise<void> {
    for (const garbage of all) {
      const condemned: Condemned = { garbage, trees: [], bytes: 0 }
      this.#condemned.push(condemned)
      try {
        this.#takeAway(condemned)
      } catch (error) {
        condemned.problem = error
      }
    }
    // What belongs to somebody else cannot be moved, and is removed where it is.
    const stubborn = this.#condemned.filter(({ problem }) => problem !== undefined)
    if (stubborn.length === 0) return
    for (const each of stubborn)
      each.bytes += each.garbage.paths.reduce((sum, file) => sum + diskBytes(file), 0)
    await this.#removeAsOwner(stubborn.flatMap(({ garbage }) => garbage.paths))
    for (const each of stubborn) if (!each.garbage.paths.some(isThere)) delete each.problem
  }

  #takeAway(condemned: Condemned): void {
    const { paths, diskBytes: known } = condemned.garbage
    if (known !== undefined) condemned.bytes = removeBlob(paths, known)
    else for (const file of paths) this.#takeFile(file, condemned)
  }

  #takeFile(file: string, condemned: Condemned): void {
    const stat = fs.lstatSync(file, { throwIfNoEntry: false })
    if (stat === undefined) return
    if (stat.isDirectory()) {
      const target = path.join(this.#binFolder(), String(this.#count++))
      fs.renameSync(file, target)
      condemned.trees.push(target)
    } else {
      fs.unlinkSync(file)
      // The content goes with the last name.
      if (stat.nlink === 1) condemned.bytes += bytesOnDisk(stat)
    }
  }

  #binFolder(): string {
    if (this.#bin === undefined) {
      const folder = this.#store.folder('tmp')
      makeFolder(folder, 0o700)
      this.#bin = path.join(folder, ownedName('gc', randomBytes(6).toString('hex')))
      fs.mkdirSync(this.#bin, { mode: 0o700 })
    }
    return this.#bin
  }

  /** Yields a record for each removed thing, and for each that stays. */
  async *finish(): AsyncGenerator<GarbageRecord | FailedRecord, void, undefined> {
    for (const condemned of this.#condemned) {
      // Removing is synchronous; this lets signals be heard between the trees.
      if (condemned.trees.length > 0) await new Promise(resolve => setImmediate(resolve))
      for (const tree of condemned.trees) await this.#remove(tree, condemned)
      const { garbage, bytes, problem } = condemned
      yield problem === undefined ? recordOf(garbage, { bytes, removed: true }) : failureOf(garbage, problem)
    }
    if (this.#bin !== undefined && fs.readdirSync(this.#bin).length === 0) fs.rmdirSync(this.#bin)
  }

  async #remove(tree: string, condemned: Condemned): Promise<void> {
    try {
      condemned.bytes += removeTree(tree)
    } catch (error) {
      const bytes = diskBytes(tree)
      await this.#removeAsOwner([tree])
      if (isThere(tree)) condemned.problem = error
      else condemned.bytes += bytes
    }
  }
}

/** @param found - the bytes of disk that it takes, and whether it is gone */
export function recordOf(
  { kind, digest, paths: [first = ''], reason }: Garbage,
  { bytes, removed }: { readonly bytes: number; readonly removed: boolean },
): GarbageRecord {
  return {
    type: 'garbage',
    kind,
    ...(digest === undefined ? {} : { digest }),
    path: first,
    size: bytes,
    reason,
    removed,
  }
}

function failureOf({ kind, paths: [first = ''] }: Garbage, problem: unknown): FailedRecord {
  const who = FOREIGN.has(errnoOf(problem) ?? '')
    ? ': run img-gc as root, or as the user whose builds made it'
    : `: ${messageOf(problem)}`
  const message = `cannot remove the ${kind} "${first}"${who}`
  return { type: 'failed', tool: 'img-gc', code: 'GARBAGE_KEPT', message, item: { kind, path: first } }
}

/** A blob was looked at already, so nothing is asked about it again: there may be many thousands. */
function removeBlob(paths: readonly string[], bytes: number): number {
  try {
    for (const file of paths) fs.unlinkSync(file)
    return bytes
  } catch (error) {
    // A program that knows no lease removed it first.
    if (errnoOf(error) === 'ENOENT') return 0
    throw error
  }
}

function isThere(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined
}
