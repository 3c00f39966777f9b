import fs from 'node:fs'
import { accountsIn, ownerIdentity } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { bytesOf, cleanName, Rooted } from '@pipelayer/rootfs'
import {
  baseName,
  CONTEXT_OWNER,
  type Destination,
  destination,
  type FoundSource,
  findSources,
  join,
  type SourceTree,
  sourcePattern,
  unpackArchive,
  walkSource,
  withDirectory,
} from '@pipelayer/sources'
import { type FetchedSource, type ModeChange, parseMode, type TransferAction } from '@pipelayer/steps'
import { Copier } from './copier.js'
import { inlineBytes } from './inline-bytes.js'

export interface TransferContext {
  /** The merged tree that is written to. */
  readonly target: string
  readonly source: SourceTree
  readonly onWarning: (message: string) => void
}

/**
 * Executes COPY or ADD: each source in turn, each match of its wildcard in byte order.
 *
 * @throws {ToolError} `NOT_FOUND`, `CANNOT_REPLACE`, `USER_UNKNOWN`, `OWNER_NOT_MAPPED`
 */
export async function transfer(action: TransferAction, context: TransferContext): Promise<void> {
  const target = Rooted.open(context.target)
  let work: Transfer | undefined
  try {
    work = new Transfer(action, context, target)
    const found = action.sources
      .map(source => sourcePattern(source, action))
      .map(p => findSources(context.source, p, action.excludes))
    for (let index = 0; index <= found.length; index++) {
      const fetched = (action.fetched ?? []).filter(({ before }) => before === index)
      for (const source of fetched) await work.fetched(source)
      for (const source of found[index] ?? []) await work.source(source)
    }
    for (const file of action.inline) await work.inline(file)
    work.finish()
  } finally {
    work?.close()
    target.close()
  }
}

class Transfer {
  readonly #action: TransferAction
  readonly #context: TransferContext
  readonly #target: Rooted
  readonly #dest: Destination
  readonly #owner: { readonly uid: number; readonly gid: number } | undefined
  readonly #mode: ModeChange | undefined
  readonly #copiers: Copier[] = []
  /** The time of the directory whose contents were copied last; their destination gets it. */
  #dirTimeNs: bigint | undefined

  constructor(action: TransferAction, context: TransferContext, target: Rooted) {
    this.#action = action
    this.#context = context
    this.#target = target
    this.#dest = destination(action.dest, action.workdir)
    this.#owner = action.chown === undefined ? undefined : this.#ownerOf(action.chown)
    this.#mode = action.chmod === undefined ? undefined : parseMode(action.chmod)
  }

  async source(source: FoundSource): Promise<void> {
    const copier = this.#copier(this.#context.source.owner)
    const { root } = this.#context.source
    const isFile = root.lstat(source.real)?.isFile() === true
    const isEmptied = source.selection.emptied?.(source.real) === true
    if (this.#action.unpack && isFile && !isEmptied) {
      const fd = root.open(source.real, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
      if (await this.#unpack(fd, copier)) return
    }
    await this.#copy(this.#context.source, source, copier)
  }

  /** Copies a file that was downloaded, or the files of a repository. */
  async fetched(source: FetchedSource): Promise<void> {
    const copier = this.#copier(CONTEXT_OWNER)
    if (source.kind === 'file') {
      if (source.unpack && (await this.#unpack(fs.openSync(source.path, 'r'), copier))) return
      await copier.file(source, this.#place(copier, { name: source.name, isDir: false }))
      return
    }
    await withDirectory({ dir: source.dir, ignore: [] }, async tree => {
      for (const found of findSources(tree, { base: '', optional: false }, this.#action.excludes))
        await this.#copy(tree, found, copier)
    })
    this.#dirTimeNs = undefined
  }

  async inline(file: TransferAction['inline'][number]): Promise<void> {
    const copier = this.#copier(undefined)
    const plain = cleanName(file.name)
    if (plain === '' || plain !== baseName(plain))
      throw new ToolError('HEREDOC_NAME', `a heredoc cannot make a file named ${JSON.stringify(file.name)}`)
    await copier.inline(this.#place(copier, { name: plain, isDir: false }), inlineBytes(file))
  }

  finish(): void {
    for (const copier of this.#copiers) copier.finish()
    const real = this.#target.resolve(this.#dest.path)
    if (this.#dirTimeNs !== undefined && real !== '') this.#copiers.at(-1)?.date(real, this.#dirTimeNs)
  }

  close(): void {
    for (const copier of this.#copiers) copier.close()
  }

  async #copy({ root }: SourceTree, source: FoundSource, copier: Copier): Promise<void> {
    const stat = root.lstat(source.real)
    const isDir = stat?.isDirectory() === true
    // The time of a context's root has no meaning.
    this.#dirTimeNs = isDir && source.real !== '' && !this.#action.parents ? stat?.mtimeNs : undefined
    // A source that is copied as a whole keeps its own name. Of other directories, only the contents are copied.
    const isWhole = !isDir || (this.#action.keepsNames === true && source.name !== '')
    const place = this.#place(copier, { name: source.name, isDir: !isWhole })
    const skip = (name: string): void => this.#context.onWarning(`socket "${showName(name)}" left out`)
    for (const entry of walkSource(root, source.real, { ...source.selection, onSkip: skip }))
      if (entry.name !== '' || isWhole) await copier.entry(entry, join(place, entry.name))
  }

  /** The destination of a source, whose parents are made. */
  #place(copier: Copier, source: { readonly name: string; readonly isDir: boolean }): string {
    const isDirectory = source.isDir || this.#dest.isDirectory
    const real = this.#target.resolve(this.#dest.path)
    const stat = this.#target.lstat(real)
    if (isDirectory) {
      copier.makeDirs(real)
      return source.isDir ? real : join(real, baseName(source.name))
    }
    if (stat?.isDirectory()) return join(real, baseName(source.name))
    copier.makeDirs(real.slice(0, Math.max(0, real.lastIndexOf('/'))))
    return real
  }

  /** Closes the file. */
  async #unpack(fd: number, copier: Copier): Promise<boolean> {
    try {
      return await unpackArchive(fd, {
        onWarning: this.#context.onWarning,
        ...(this.#owner === undefined ? {} : { owner: this.#owner }),
        directory: () => {
          const real = this.#target.resolve(this.#dest.path)
          copier.makeDirs(real, 0o755)
          return Buffer.concat([bytesOf(`${this.#context.target}/`), bytesOf(real)]).toString()
        },
      })
    } finally {
      fs.closeSync(fd)
    }
  }

  #ownerOf(chown: string): { readonly uid: number; readonly gid: number } {
    return ownerIdentity(chown, accountsIn(this.#target), why =>
      this.#context.onWarning(`--chown=${chown}: ${why}`),
    )
  }

  #copier(owner: { readonly uid: number; readonly gid: number } | undefined): Copier {
    const chosen = this.#owner ?? owner
    const copier = new Copier(this.#target, {
      ...(chosen === undefined ? {} : { owner: chosen }),
      ...(this.#mode === undefined ? {} : { mode: this.#mode }),
      ...(isOctal(this.#action.chmod)
        ? { dirMode: (this.#mode?.(0o755, true) ?? 0o755) & NEW_DIR_BITS }
        : {}),
      timeNs: BigInt(this.#action.timeNs),
      onWarning: this.#context.onWarning,
    })
    this.#copiers.push(copier)
    return copier
  }
}

/** The bits that the engine's mkdir takes from a mode: no special bits, and none of those in the usual umask of 022. */
const NEW_DIR_BITS = 0o755

// Directories that are made on the way get the mode of an octal --chmod. A symbolic mode has no mode to start from
// there.
function isOctal(chmod: string | undefined): boolean {
  return chmod !== undefined && /^[0-7]+$/.test(chmod)
}
