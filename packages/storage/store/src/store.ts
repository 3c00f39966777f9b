import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { algorithmOf, type Digest, encodedOf, parseDigest } from '@pipelayer/digest'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import type { BlobWriter, ExpectedBlob, ProvenBlob } from '@pipelayer/layout'
import { Layout, partialBlobsIn, proveFile, replaceFile } from '@pipelayer/layout'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { isOrphan, makeFolder, ownedName, readRegular } from '@pipelayer/sys'
import { type Area, areaFolder } from './areas.js'
import { type Patience, shareLease, takeLease } from './lease.js'
import { MountJournal } from './mount-journal.js'
import { openPartial, partialName } from './partial-blob.js'
import { touch } from './touch.js'
import { UploadState } from './upload-state.js'

/**
 * The local store: an OCI layout that every OCI tool can read, and beside `blobs/` folders that only we know, each for one
 * purpose: see `areas.ts`, and the table in the README. A file `lease` is locked, shared, while a tool runs.
 *
 * FORM is `root`, or `user-...` for trees whose ids are mapped: blobs are shared between users' forms, trees are not.
 *
 * ```ts
 * const store = Store.open(defaultStorePath(process.env))
 * const config = store.readBlob(digest)
 * ```
 */
export class Store extends Layout {
  #lease: number | undefined

  /** Opens the store in `root`, which is made where it is missing, and holds its lease until the process ends. */
  static override open(root: string, options: { readonly create?: boolean } = {}): Store {
    const store = new Store(root)
    store.prepare({ create: options.create !== false })
    store.#lease = shareLease(store.root)
    return store
  }

  /** As {@link open}; undefined where the store does not exist. @throws {ToolError} `LAYOUT_INVALID`; the system's */
  static openIfThere(root: string): Store | undefined {
    try {
      return Store.open(root, { create: false })
    } catch (error) {
      if (error instanceof ToolError && error.code === 'LAYOUT_MISSING') return undefined
      throw error
    }
  }

  /**
   * Opens the store for garbage collection: no other tool of ours works with it until {@link endLease}. Waits while
   * others do, for `waitMs` at most.
   *
   * @returns undefined where the store does not exist
   * @throws {ToolError} `STORE_BUSY`, status 75; `LEASE_UNAVAILABLE`; `LAYOUT_INVALID`; the system's
   */
  static async openAlone(root: string, patience: Patience): Promise<Store | undefined> {
    const store = new Store(root)
    try {
      store.prepare({ create: false })
    } catch (error) {
      if (error instanceof ToolError && error.code === 'LAYOUT_MISSING') return undefined
      throw error
    }
    store.#lease = await takeLease(store.root, patience)
    return store
  }

  /** Releases the lease, so that other tools may work with the store. */
  endLease(): void {
    if (this.#lease !== undefined) fs.closeSync(this.#lease)
    this.#lease = undefined
  }

  /** A folder of the store, absolute; it may not be there yet. */
  folder(area: Area): string {
    return areaFolder(this.root, area)
  }

  /** The mounts that were made of the store's layers, and of other directories. */
  mounts(): MountJournal {
    return new MountJournal(this.folder('mounts'))
  }

  /** Where the unpacked layer on top of a chain lies. */
  layerPath(form: string, chainID: Digest): string {
    return path.join(this.folder('layers'), checkedForm(form), encodedOf(parseDigest(chainID)))
  }

  /** The path of an executed step. */
  stepPath(form: string, cacheKey: Digest): string {
    return path.join(this.folder('steps'), checkedForm(form), encodedOf(parseDigest(cacheKey)))
  }

  /**
   * A new, empty directory for work in progress, on the store's file system. The caller removes or renames it.
   * Directories that killed processes left are removed first.
   */
  tempDir(prefix: string): string {
    const folder = this.folder('tmp')
    return attempt(`make a temporary directory in "${folder}"`, () => {
      makeFolder(folder, 0o700)
      for (const name of fs.readdirSync(folder)) if (isOrphan(name)) sweep(path.join(folder, name))
      const made = path.join(folder, ownedName(prefix, randomBytes(6).toString('hex')))
      fs.mkdirSync(made, { mode: 0o700 })
      return made
    })
  }

  /**
   * Begins to write a blob, or goes on where an earlier try of any process broke: the bytes of a broken try are kept
   * for the next one. While another process writes the same blob, this waits.
   *
   * @returns undefined when the store has the blob, perhaps from that other process
   */
  resumeBlob(expected: ExpectedBlob, signal?: AbortSignal): Promise<BlobWriter | undefined> {
    return openPartial(this, expected, { signal })
  }

  /**
   * Opens a blob that `BlobWriter.suspendProven` left, so that the caller can publish it or throw it away. Its bytes
   * are read again only if the file was written to meanwhile.
   *
   * @returns undefined when the store already has the blob
   */
  resumeProven(proven: ProvenBlob, signal?: AbortSignal): Promise<BlobWriter | undefined> {
    return openPartial(this, proven, { signal, proven })
  }

  /** Blobs of which the store has only the first bytes, with their number. */
  partialBlobs(): Generator<ExpectedBlob, void, undefined> {
    return partialBlobsIn(this.folder('partial'))
  }

  /** How many first bytes the store has of a blob that is not complete. */
  partialBytes(digest: Digest): number {
    return fs.statSync(partialName(this.root, digest), { throwIfNoEntry: false })?.size ?? 0
  }

  /**
   * Reads a whole blob. One that does not match its digest is moved into `damaged/`, so that it counts as missing from
   * then on, and is fetched again when it is needed.
   *
   * @returns whether the blob exists and matches its digest
   * @throws {ToolError} the system's
   */
  async proveBlob({ digest, size }: ExpectedBlob): Promise<boolean> {
    const found = await proveFile(this.blobPath(digest), digest)
    if (found === undefined) return false
    // Where only the size differs, the record with that size is wrong. A blob that matches its digest is never moved.
    if (found.digest === digest) return found.size === size
    attempt(`set the damaged blob ${digest} aside`, () => this.#setAside(digest, found.inode))
    return false
  }

  // Another process may replace the blob at this moment, so a file other than the one that was read is moved back.
  #setAside(digest: Digest, inode: number): void {
    const file = this.blobPath(digest)
    const isRead = (name: string): boolean => fs.statSync(name, { throwIfNoEntry: false })?.ino === inode
    if (!isRead(file)) return
    const aside = path.join(this.folder('damaged'), `${algorithmOf(digest)}-${encodedOf(digest)}`)
    makeFolder(path.dirname(aside), 0o700)
    fs.renameSync(file, aside)
    if (!isRead(aside)) fs.renameSync(aside, file)
  }

  /** The saved state of an upload that may break. `target` identifies the upload: its destination and its blob. */
  uploadState(target: readonly string[]): UploadState {
    return new UploadState(this.folder('pushes'), target)
  }

  /** Marks a blob or a step as used now, so that garbage collection keeps it. */
  touch(file: string): void {
    touch(file)
  }

  /**
   * Remembers the `layer` record that a step was packed into. `how` names the format, the level and all else that
   * affects the blob.
   */
  putPacked(cacheKey: Digest, how: string, record: object): void {
    const target = this.#packedPath(cacheKey, how)
    attempt(`write "${target}"`, () => {
      makeFolder(path.dirname(target), 0o755)
      replaceFile(target, `${target}.${randomBytes(6).toString('hex')}`, JSON.stringify(record))
    })
  }

  /** The record of {@link putPacked}, which is marked as used; undefined where its blob is gone. */
  getPacked(cacheKey: Digest, how: string): Record<string, unknown> | undefined {
    try {
      const file = this.#packedPath(cacheKey, how)
      const record: unknown = JSON.parse(readRegular(file, MAX_DOCUMENT).toString('utf8'))
      if (!isPacked(record) || !(record.empty === true || this.#holds(record))) return undefined
      this.touch(file)
      return record
    } catch (error) {
      // A damaged record counts as missing, so the step is packed again and the build does not fail.
      if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** The results of {@link getPacked} for every `how` of a step, in the order of these names. */
  listPacked(cacheKey: Digest): Map<string, Record<string, unknown>> {
    const found = new Map<string, Record<string, unknown>>()
    for (const file of namesIn(this.#packedFolder(cacheKey)).sort()) {
      const how = file.slice(0, -'.json'.length)
      const record = file.endsWith('.json') && isEncoding(how) ? this.getPacked(cacheKey, how) : undefined
      if (record !== undefined) found.set(how, record)
    }
    return found
  }

  #holds(record: Record<string, unknown>): boolean {
    const { digest, size } = record
    if (typeof digest !== 'string' || typeof size !== 'number' || !this.hasBlob(digest, size)) return false
    this.touch(this.blobPath(digest))
    return true
  }

  /** @throws ToolError `STORE_NAME`: a name from a record or an option must not lead to another folder */
  #packedPath(cacheKey: Digest, how: string): string {
    if (!isEncoding(how)) throw new ToolError('STORE_NAME', `not a name of an encoding: "${how}"`)
    return path.join(this.#packedFolder(cacheKey), `${how}.json`)
  }

  #packedFolder(cacheKey: Digest): string {
    return path.join(this.folder('packed'), encodedOf(parseDigest(cacheKey)))
  }
}

/**
 * The default path of the store: `$PIPELAYER_STORE`, else a folder below `$XDG_DATA_HOME` or `~/.local/share`.
 *
 * @throws ToolError `STORE_UNKNOWN` where none of these is set: use --store
 */
export function defaultStorePath(env: Readonly<Record<string, string | undefined>>): string {
  if (env.PIPELAYER_STORE) return env.PIPELAYER_STORE
  const data = env.XDG_DATA_HOME || (env.HOME ? path.join(env.HOME, '.local/share') : undefined)
  if (data === undefined)
    throw new ToolError(
      'STORE_UNKNOWN',
      'cannot tell where the store is: say --store, or set PIPELAYER_STORE or HOME',
    )
  return path.join(data, 'pipelayer')
}

// A directory may hold files with ids that only a process in a user namespace of the owner can remove; kf-run does
// that.
function sweep(dir: string): void {
  try {
    fs.rmSync(dir, { recursive: true, force: true })
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw error
  }
}

function isEncoding(name: string): boolean {
  return /^[a-z0-9][a-z0-9.+_-]*$/.test(name)
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

function isPacked(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Reflect.get(value, 'type') === 'layer'
}

function checkedForm(form: string): string {
  if (!/^(root|user-[0-9a-f]+)(-tree)?$/.test(form))
    throw new ToolError('STORE_NAME', `not a form of trees: "${form}"`)
  return form
}
