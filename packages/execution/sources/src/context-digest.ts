import { createHash, type Hash } from 'node:crypto'
import type fs from 'node:fs'
import type { Digest } from '@pipelayer/digest'
import { systemError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { isImageXattr, Rooted } from '@pipelayer/rootfs'
import { type BuildContext, KEY_VERSION, type TransferAction } from '@pipelayer/steps'
import { lgetxattr, llistxattr } from '@pipelayer/sys'
import { sourcePattern } from './copy-paths.js'
import { FileDigests } from './file-digests.js'
import { type FoundSource, findSources } from './source-find.js'
import { contextTree } from './source-root.js'
import { linkText, type SourceEntry, walkSource } from './source-walk.js'
import { type TreeState, treeState } from './tree-state.js'

type Wanted = Pick<TransferAction, 'sources' | 'parents' | 'excludes'>

export interface DigestOptions {
  /** SOURCE_DATE_EPOCH, in seconds since 1970. */
  readonly epoch?: number | undefined
  /**
   * The digests of files that are known already: a file that several instructions copy is read once, and a tree that
   * has not changed since an earlier build is not read at all.
   */
  readonly files?: FileDigests
}

/**
 * A digest over the files that a COPY or ADD from a context will read: names, owners, modes, link targets, contents;
 * but no times, so that a fresh clone finds its steps in the cache. With SOURCE_DATE_EPOCH, layers have the time
 * min(mtime, epoch) for each file, so that time is part of the digest.
 *
 * @throws {ToolError} `NOT_FOUND`
 */
export function contextDigest(
  context: BuildContext,
  action: Wanted,
  { epoch, files = new FileDigests() }: DigestOptions,
): Digest {
  const root = Rooted.open(context.dir)
  try {
    const sources = foundSources(root, context, action)
    const state = files.remembers ? stateIn(root, context, { action, sources, epoch }) : undefined
    const known = state && files.tree(state)
    if (known !== undefined) return known
    const options = { epoch, files, owners: context.keepsOwners === true }
    const digest: Digest = `sha256:${digestIn(root, sources, options)}`
    if (state !== undefined) files.keepTree(state, digest)
    return digest
  } finally {
    root.close()
  }
}

/** The state of the files of {@link contextDigest}, found without reading them; see {@link treeState}. */
export function contextState(
  context: BuildContext,
  action: Wanted,
  epoch: number | undefined,
): string | undefined {
  const root = Rooted.open(context.dir)
  try {
    const sources = foundSources(root, context, action)
    return stateIn(root, context, { action, sources, epoch })?.digest
  } finally {
    root.close()
  }
}

/** The files that each source of an instruction stands for. */
type Sources = readonly (readonly FoundSource[])[]

function foundSources(root: Rooted, context: BuildContext, action: Wanted): Sources {
  const tree = contextTree(root, context)
  return action.sources.map(source => findSources(tree, sourcePattern(source, action), action.excludes))
}

function stateIn(
  root: Rooted,
  { ignore, keepsOwners }: BuildContext,
  wanted: { readonly action: Wanted; readonly sources: Sources; readonly epoch: number | undefined },
): TreeState | undefined {
  const { action, sources, epoch } = wanted
  const { parents, excludes } = action
  const about = {
    VERSION: KEY_VERSION,
    ignore,
    keepsOwners,
    sources: action.sources,
    parents,
    excludes,
    epoch,
  }
  return treeState(root, sources.flat(), JSON.stringify(about))
}

function digestIn(root: Rooted, sources: Sources, options: TreeHasherOptions): string {
  const hash = createHash('sha256')
  for (const found of sources) {
    add(hash, ['source', found.length])
    for (const { name, real, selection } of found) {
      add(hash, ['match', name])
      new TreeHasher(hash, options).add(walkSource(root, real, selection))
    }
  }
  return hash.digest('hex')
}

interface TreeHasherOptions {
  readonly epoch: number | undefined
  readonly files: FileDigests
  /** Include owners, since the files of an archive have them. */
  readonly owners: boolean
}

class TreeHasher {
  readonly #hash: Hash
  readonly #epoch: bigint | undefined
  readonly #files: FileDigests
  readonly #owners: boolean
  /** First names of files with several. */
  readonly #links = new Map<string, string>()

  constructor(hash: Hash, { epoch, files, owners }: TreeHasherOptions) {
    this.#hash = hash
    this.#files = files
    this.#owners = owners
    this.#epoch = epoch === undefined ? undefined : BigInt(epoch) * 1_000_000_000n
  }

  add(entries: Iterable<SourceEntry>): void {
    for (const entry of entries) this.#entry(entry)
  }

  #entry({ kind, name, stat, path, emptied }: SourceEntry): void {
    if (kind === 'leave') {
      add(this.#hash, ['leave'])
      return
    }
    const mtime =
      this.#epoch === undefined ? '' : String(stat.mtimeNs < this.#epoch ? stat.mtimeNs : this.#epoch)
    if (this.#owners) add(this.#hash, ['owner', String(stat.uid), String(stat.gid)])
    add(this.#hash, [kind, name, String(stat.mode), String(stat.rdev), mtime, ...xattrsOf(path)])
    if (stat.isSymbolicLink()) add(this.#hash, ['link', linkText(path)])
    if (emptied) add(this.#hash, ['emptied'])
    else if (stat.isFile()) this.#file(name, stat, path)
  }

  #file(name: string, stat: fs.BigIntStats, path: Buffer): void {
    const key = `${stat.dev}:${stat.ino}`
    const first = stat.nlink > 1n ? this.#links.get(key) : undefined
    if (first !== undefined) {
      add(this.#hash, ['hardlink', first])
      return
    }
    if (stat.nlink > 1n) this.#links.set(key, name)
    try {
      add(this.#hash, ['file', this.#files.of(path, stat)])
    } catch (error) {
      throw systemError(error, `read "${showName(name)}" of the context`)
    }
  }
}

function xattrsOf(path: Buffer): string[] {
  return llistxattr(path)
    .filter(isImageXattr)
    .sort()
    .flatMap(name => [name, lgetxattr(path, name)?.toString('base64') ?? ''])
}

function add(hash: Hash, fields: readonly (string | number)[]): void {
  hash.update(`${JSON.stringify(fields)}\n`)
}
