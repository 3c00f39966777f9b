import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { algorithmOf, checkContent, type Digest, digestOf } from '@pipelayer/digest'
import { attempt, errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { openFile, sizeOf } from './files.js'
import { FOLDER_MODE, PartialFolder } from './partial.js'
import { checkName, FolderPaths, isName } from './paths.js'
import { FolderRepository } from './repository.js'

const READ_BYTES = 1024 * 1024

/**
 * The storage of a registry, which is the `rootdirectory` of distribution's filesystem driver. That registry may serve
 * it while any number of our programs write to it.
 *
 * ```ts
 * const folder = DistributionFolder.open('/var/lib/registry')
 * for (const name of await folder.repositories()) console.log(name, folder.repository(name).tags())
 * ```
 */
export class DistributionFolder {
  /** Absolute. */
  readonly root: string
  readonly paths: FolderPaths
  readonly #partial: PartialFolder

  private constructor(root: string) {
    this.root = path.resolve(root)
    this.paths = new FolderPaths(this.root)
    this.#partial = new PartialFolder(this.paths.partial)
  }

  /**
   * Opens the folder; with `create`, makes it.
   *
   * @throws {ToolError} `FOLDER_MISSING`: there is no `docker/registry/v2` below `root`
   */
  static open(root: string, options: { readonly create?: boolean } = {}): DistributionFolder {
    const folder = new DistributionFolder(root)
    const { base } = folder.paths
    if (options.create)
      attempt(`make "${base}"`, () => fs.mkdirSync(base, { recursive: true, mode: FOLDER_MODE }))
    else if (!DistributionFolder.isThere(root))
      throw new ToolError(
        'FOLDER_MISSING',
        `no registry folder in "${folder.root}": it has no docker/registry/v2`,
      )
    return folder
  }

  /** True where `root` holds such a folder. */
  static isThere(root: string): boolean {
    const { base } = new FolderPaths(root)
    return fs.statSync(base, { throwIfNoEntry: false })?.isDirectory() === true
  }

  /**
   * The names of all repositories, in byte order; `withUploads` adds those for which only an upload was begun. Symlinks
   * are not followed.
   *
   * @throws {ToolError} of the system
   */
  async repositories(options: { readonly withUploads?: boolean } = {}): Promise<string[]> {
    const marks = ['_manifests', '_layers', ...(options.withUploads ? ['_uploads'] : [])]
    const found: string[] = []
    await collect({ folder: this.paths.repositories, name: '' }, marks, found)
    return found.sort()
  }

  /** A repository, which need not exist yet. @throws {ToolError} `NAME_INVALID` */
  repository(name: string): FolderRepository {
    return new FolderRepository(this.paths, this.#partial, checkName(name))
  }

  /** The size of a blob that any repository may serve; undefined where the folder has none. */
  blobSize(digest: Digest): number | undefined {
    return sizeOf(this.paths.blob(digest))
  }

  /** The file of a blob, which need not exist. @throws {ToolError} `DIGEST_INVALID` */
  blobPath(digest: Digest): string {
    return this.paths.blob(digest)
  }

  /**
   * The bytes of a small blob, checked.
   *
   * @throws {ToolError} `BLOB_UNKNOWN`, `DOCUMENT_TOO_LARGE` for more than 4 MiB, `DIGEST_MISMATCH`; the system's
   */
  readBlob(digest: Digest): Buffer {
    const opened = this.#open(digest)
    try {
      if (opened.size > MAX_DOCUMENT)
        throw new ToolError(
          'DOCUMENT_TOO_LARGE',
          `${digest} has ${opened.size} bytes, more than ${MAX_DOCUMENT}`,
        )
      const bytes = attempt(`read blob ${digest}`, () => fs.readFileSync(opened.fd))
      checkContent({ digest }, { digest: digestOf(bytes, algorithmOf(digest)), size: bytes.length })
      return bytes
    } finally {
      fs.closeSync(opened.fd)
    }
  }

  /** A blob's bytes, unchecked: pass them through `verified`. @throws {ToolError} `BLOB_UNKNOWN` */
  openBlob(digest: Digest): Readable {
    const { fd, size } = this.#open(digest)
    return fs.createReadStream('', { fd, highWaterMark: Math.min(READ_BYTES, size + 1) })
  }

  #open(digest: Digest): { readonly fd: number; readonly size: number } {
    const opened = openFile(this.paths.blob(digest))
    if (opened !== undefined) return opened
    throw new ToolError('BLOB_UNKNOWN', `there is no blob ${digest} in "${this.root}"`)
  }
}

// Repositories nest, and a stranger may have put deep folders there, so folders whose names no repository can have are
// not entered.
async function collect(
  { folder, name }: { readonly folder: string; readonly name: string },
  marks: readonly string[],
  found: string[],
): Promise<void> {
  const names = await foldersBelow(folder)
  if (name !== '' && marks.some(mark => names.includes(mark))) found.push(name)
  for (const part of names) {
    const inner = name === '' ? part : `${name}/${part}`
    if (!part.startsWith('_') && isName(inner))
      await collect({ folder: path.join(folder, part), name: inner }, marks, found)
  }
}

// A folder that does not exist, or was removed meanwhile, counts as empty.
async function foldersBelow(folder: string): Promise<string[]> {
  try {
    const entries = await fs.promises.readdir(folder, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}
