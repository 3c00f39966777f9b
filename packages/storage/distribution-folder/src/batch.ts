import fs from 'node:fs'
import path from 'node:path'
import { type Digest, verified } from '@pipelayer/digest'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { openFile, readLink, sizeOf } from './files.js'
import { flushAll } from './flush.js'
import { FOLDER_MODE, type PartialFolder } from './partial.js'
import type { FolderPaths } from './paths.js'

/** A file under a temporary name, which gets its final name at `commit`. */
interface Staged {
  readonly temporary: string
  readonly target: string
  /** True for a file of the caller, which is kept when the batch is aborted. */
  readonly isAdopted?: boolean
}

/** For this many files, flushing the file system once is cheaper than flushing each file. */
const MANY = 4
const MAX_TRIES = 10
const READ_BYTES = 1024 * 1024

/**
 * Complete blobs in batches of this process, by target path, so that images which are put at the same time share them.
 */
const WAITING = new Map<string, string>()

/**
 * Files that are put into one repository, with their final names. Nobody sees them before {@link commit}. Then they
 * appear in an order that keeps the registry consistent at every moment: blobs, `_layers`, revisions, and when all that
 * is on the disk, the tag's index and the tag.
 *
 * Any number of writers may work in one folder at the same time, the registry itself included: each file appears by a
 * rename, and all writers of one blob or link write the same bytes. Where two writers set a tag, the last one wins.
 */
export class Batch {
  readonly #paths: FolderPaths
  readonly #name: string
  readonly #partial: PartialFolder
  readonly #blobs: Staged[] = []
  readonly #links: Staged[] = []
  readonly #revisions: Staged[] = []
  readonly #tags: Staged[] = []
  readonly #staged = new Map<Digest, number>()
  /** Digests under which the folder has other content. */
  readonly #damaged = new Set<Digest>()

  constructor(paths: FolderPaths, partial: PartialFolder, name: string) {
    this.#paths = paths
    this.#partial = partial
    this.#name = name
  }

  /** True for a blob that the repository has, or that this batch will commit. */
  hasBlob({ digest, size }: { readonly digest: Digest; readonly size: number }): boolean {
    if (this.#staged.get(digest) === size) return true
    const link = this.#paths.layerLink(this.#name, digest)
    if (!this.#hasData(digest, size) || readLink(link) !== digest) return false
    markUsed(this.#paths.blob(digest))
    return true
  }

  /**
   * Reads a blob of the folder. A damaged one counts as absent from then on: {@link putBlob} writes it again, and the
   * correct one replaces it when the batch is committed.
   *
   * @throws {ToolError} the system's
   */
  async prove({ digest, size }: { readonly digest: Digest; readonly size: number }): Promise<void> {
    const opened = this.#hasData(digest, size) ? openFile(this.#paths.blob(digest)) : undefined
    if (opened === undefined) return
    const source = fs.createReadStream('', { fd: opened.fd, highWaterMark: READ_BYTES })
    try {
      for await (const _ of verified(source, { digest, size }));
    } catch (error) {
      if (!(error instanceof ToolError)) throw systemError(error, `read blob ${digest}`)
      this.#damaged.add(digest)
    }
  }

  /**
   * Adds a blob. It is read only where neither another repository of the folder nor another batch of this process has
   * it.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `DIGEST_INVALID`, `ENOSPC`
   */
  async putBlob(
    expected: { readonly digest: Digest; readonly size: number },
    open: () => AsyncIterable<Buffer>,
  ): Promise<void> {
    const { digest, size } = expected
    const target = this.#paths.blob(digest)
    if (this.#staged.get(digest) !== size && !this.#hasData(digest, size)) {
      const shared = this.#shared(target)
      // The other batch may have been committed just now.
      if (shared !== undefined || !this.#hasData(digest, size)) {
        const temporary = shared ?? (await this.#partial.writeStream(verified(open(), { digest, size })))
        this.#blobs.push({ temporary, target })
        this.#staged.set(digest, size)
        WAITING.set(target, temporary)
      }
    }
    this.linkBlob(digest)
  }

  /** Adds a file as a blob. The caller has checked its bytes, and it lies on the file system of this folder. */
  adoptBlob(digest: Digest, file: string): void {
    this.#blobs.push({ temporary: file, target: this.#paths.blob(digest), isAdopted: true })
    this.linkBlob(digest)
  }

  /** Lets the repository serve a blob that the folder has. */
  linkBlob(digest: Digest): void {
    markUsed(this.#paths.blob(digest))
    this.#stageLink(this.#links, this.#paths.layerLink(this.#name, digest), digest)
  }

  /** Adds a manifest or an index, whose bytes the caller has checked, and names it by `tags`. */
  putManifest(digest: Digest, bytes: Uint8Array, tags: readonly string[] = []): void {
    if (!this.#holds(digest, bytes))
      this.#blobs.push({ temporary: this.#partial.write(bytes), target: this.#paths.blob(digest) })
    this.#stageLink(this.#revisions, this.#paths.revisionLink(this.#name, digest), digest)
    for (const tag of tags) {
      this.#stageLink(this.#tags, this.#paths.tagIndexLink(this.#name, tag, digest), digest)
      this.#stageLink(this.#tags, this.#paths.currentLink(this.#name, tag), digest)
    }
  }

  /**
   * Makes everything appear, and returns when it is on the disk. May be called again for files that were added later.
   *
   * @throws {ToolError} of the system; then the first ones of the files, in the order above, have appeared
   */
  async commit(): Promise<void> {
    const content = [...this.#blobs, ...this.#links, ...this.#revisions]
    try {
      await this.#syncFiles([...content, ...this.#tags])
      await this.#rename(content)
      await this.#rename(this.#tags)
    } catch (error) {
      throw systemError(error, `write into "${this.#paths.base}"`)
    } finally {
      this.abort()
    }
  }

  /** Removes the files that were not committed. */
  abort(): void {
    const lists = [this.#blobs, this.#links, this.#revisions, this.#tags]
    const ours = lists.flat().filter(({ isAdopted }) => isAdopted !== true)
    for (const { target, temporary } of this.#blobs)
      if (WAITING.get(target) === temporary) WAITING.delete(target)
    this.#partial.discard(ours.map(({ temporary }) => temporary))
    for (const list of lists) list.length = 0
    this.#staged.clear()
  }

  #shared(target: string): string | undefined {
    const other = WAITING.get(target)
    return other === undefined ? undefined : this.#partial.link(other)
  }

  #hasData(digest: Digest, size: number): boolean {
    return !this.#damaged.has(digest) && sizeOf(this.#paths.blob(digest)) === size
  }

  // Compares the bytes, so that putting a manifest replaces a damaged one.
  #holds(digest: Digest, bytes: Uint8Array): boolean {
    const opened = this.#hasData(digest, bytes.length) ? openFile(this.#paths.blob(digest)) : undefined
    if (opened === undefined) return false
    try {
      return fs.readFileSync(opened.fd).equals(bytes)
    } finally {
      fs.closeSync(opened.fd)
    }
  }

  #stageLink(list: Staged[], target: string, digest: Digest): void {
    if (linkHolds(target, digest) || list.some(staged => staged.target === target)) return
    list.push({ temporary: this.#partial.write(digest), target })
  }

  async #syncFiles(files: readonly Staged[]): Promise<void> {
    const flushed = files.length > MANY ? flushAll(this.#paths.base) : undefined
    if (flushed !== undefined) return flushed
    for (const { temporary } of files) await syncPath(temporary)
  }

  async #rename(files: readonly Staged[]): Promise<void> {
    const changed = new Set<string>()
    for (const { temporary, target } of files) await renameInto(temporary, target, changed)
    const flushed = changed.size > MANY ? flushAll(this.#paths.base) : undefined
    if (flushed !== undefined) return flushed
    for (const folder of changed) await syncPath(folder)
  }
}

/** Garbage collection spares what was written lately, so a blob that is about to be named again counts as written. */
function markUsed(file: string): void {
  const now = new Date()
  try {
    fs.utimesSync(file, now, now)
  } catch {
    // It is not there yet, or belongs to the registry's own user: then it is as old as it is.
  }
}

// False for a broken link, so that it is written again.
function linkHolds(file: string, digest: Digest): boolean {
  try {
    return readLink(file) === digest
  } catch {
    return false
  }
}

// Adds every folder that got a new entry to `changed`. The folder may disappear meanwhile, when a registry deletes
// something.
async function renameInto(temporary: string, target: string, changed: Set<string>): Promise<void> {
  const folder = path.dirname(target)
  for (let tries = 1; ; tries++) {
    const first = await fs.promises.mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    changed.add(folder)
    for (let made = folder; first !== undefined && made.length >= first.length; made = path.dirname(made))
      changed.add(path.dirname(made))
    try {
      await fs.promises.rename(temporary, target)
      return
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || tries === MAX_TRIES || !fs.existsSync(temporary)) throw error
    }
  }
}

async function syncPath(name: string): Promise<void> {
  const handle = await fs.promises.open(name, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
