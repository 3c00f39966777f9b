import { createHash, type Hash } from 'node:crypto'
import type fs from 'node:fs'
import { type Digest, digestOf } from '@pipelayer/digest'
import { lgetxattr, llistxattr } from '@pipelayer/sys'
import type { BuildContext } from './context.js'
import { sourcePattern } from './copy-paths.js'
import type { TransferAction } from './executor-protocol.js'
import { FileDigests } from './file-digests.js'
import { isCarried } from './file-meta.js'
import { Rooted } from './rooted.js'
import { findSources } from './source-find.js'
import { contextTree } from './source-root.js'
import { linkText, type SourceEntry, walkSource } from './source-walk.js'

/** Goes up when the same instruction begins to give another layer. */
const VERSION = 2

/** A key over anything JSON can hold; the order of fields is part of it. */
export function keyOf(parent: string, parts: Readonly<Record<string, unknown>>): Digest {
  return digestOf(JSON.stringify({ version: VERSION, parent, ...parts }))
}

/**
 * A digest over what a COPY or ADD from a context will read: names, owners, modes, link targets, contents; not the
 * times, so that a fresh clone finds its cache. Under SOURCE_DATE_EPOCH layers are to be equal whatever the clock of
 * a file said, so min(mtime, epoch) is part of it.
 *
 * @param files - what is known of contents already: instructions that take the same file have it read once
 * @throws {ToolError} `NOT_FOUND`
 */
export function contextDigest(
  context: BuildContext,
  action: Pick<TransferAction, 'sources' | 'parents' | 'excludes'>,
  epoch: number | undefined,
  files: FileDigests = new FileDigests(),
): Digest {
  const root = Rooted.open(context.dir)
  try {
    const tree = contextTree(root, context)
    const hash = createHash('sha256')
    for (const source of action.sources) {
      const found = findSources(tree, sourcePattern(source, action), action.excludes)
      add(hash, ['source', found.length])
      for (const { name, real, selection } of found) {
        add(hash, ['match', name])
        const options = { epoch, files, owners: tree.owner === undefined }
        new TreeHasher(hash, options).add(walkSource(root, real, selection))
      }
    }
    return `sha256:${hash.digest('hex')}`
  } finally {
    root.close()
  }
}

interface TreeHasherOptions {
  readonly epoch: number | undefined
  readonly files: FileDigests
  /** Owners count: the files of an archive have some. */
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

  #entry({ kind, name, stat, path }: SourceEntry): void {
    if (kind === 'leave') {
      add(this.#hash, ['leave'])
      return
    }
    const mtime =
      this.#epoch === undefined ? '' : String(stat.mtimeNs < this.#epoch ? stat.mtimeNs : this.#epoch)
    if (this.#owners) add(this.#hash, ['owner', String(stat.uid), String(stat.gid)])
    add(this.#hash, [kind, name, String(stat.mode), String(stat.rdev), mtime, ...xattrsOf(path)])
    if (stat.isSymbolicLink()) add(this.#hash, ['link', linkText(path)])
    if (stat.isFile()) this.#file(name, stat, path)
  }

  #file(name: string, stat: fs.BigIntStats, path: Buffer): void {
    const key = `${stat.dev}:${stat.ino}`
    const first = stat.nlink > 1n ? this.#links.get(key) : undefined
    if (first !== undefined) {
      add(this.#hash, ['hardlink', first])
      return
    }
    if (stat.nlink > 1n) this.#links.set(key, name)
    add(this.#hash, ['file', this.#files.of(path, stat)])
  }
}

function xattrsOf(path: Buffer): string[] {
  return llistxattr(path)
    .filter(isCarried)
    .sort()
    .flatMap(name => [name, lgetxattr(path, name)?.toString('base64') ?? ''])
}

function add(hash: Hash, fields: readonly (string | number)[]): void {
  hash.update(`${JSON.stringify(fields)}\n`)
}
