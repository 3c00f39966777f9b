import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { type Digest, parseDigest } from '@pipelayer/digest'
import { openRegular } from '@pipelayer/sys'
import type { TreeState } from './tree-state.js'

const CHUNK = 1 << 20
/** How many trees, and files that this build did not use, are remembered for other builds of the same context. */
const MAX_TREES = 100
const MAX_OTHERS = 200_000
/** How many files are searched for in the text of the notes; after that, a map of all is made. */
const MAX_SEARCHES = 8
const TREE_LINE = /^[0-9a-f]{64} sha256:[0-9a-f]{64}$/
/** A file that changed more recently than this, in nanoseconds, may change again without a change of its times. */
const SETTLED_NS = 2_000_000_000n
const LINE = /^\d+:\d+:\d+:-?\d+:-?\d+ [0-9a-f]{64}$/

/**
 * Gives the digests of files. A file is not read again while its inode stays the same in size and times; programs
 * cannot set the ctime. With `file`, the digests are remembered for later builds.
 */
export class FileDigests {
  readonly #file: string | undefined
  readonly #buffer = Buffer.allocUnsafe(CHUNK)
  /** The notes of an earlier build, as text and by key. */
  #notes: string | undefined
  #earlier: ReadonlyMap<string, string> | undefined
  #asked = 0
  /** The digests that this build asked for. */
  readonly #known = new Map<string, string>()
  /** Those of them that must not be written to the notes yet. */
  readonly #fresh = new Set<string>()
  #hasNew = false
  /** Digests of whole trees by their state; the latest is the last. */
  #trees: Map<string, string> | undefined
  /** The states of the trees that this build asked for, by digest. */
  readonly #states = new Map<string, string>()
  #hasNewTrees = false

  constructor(file?: string) {
    this.#file = file
  }

  /** @param file - the path of a regular file; it is opened, never followed */
  of(file: Buffer, { dev, ino, size, mtimeNs, ctimeNs }: fs.BigIntStats): string {
    const key = `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
    // A file that has just changed is never written to the notes.
    const isFresh = BigInt(Date.now()) * 1_000_000n - ctimeNs < SETTLED_NS
    const known = this.#known.get(key) ?? (isFresh ? undefined : this.#remembered(key))
    if (known !== undefined) {
      this.#known.set(key, known)
      return known
    }
    if (isFresh) this.#fresh.add(key)
    else this.#hasNew = true
    const digest = this.#read(file)
    this.#known.set(key, digest)
    return digest
  }

  /** Whether digests are remembered for later builds. */
  get remembers(): boolean {
    return this.#file !== undefined
  }

  /** The digest of the tree that has this state. */
  tree(state: TreeState): Digest | undefined {
    this.#trees ??= new Map(linesOf(notesOf(this.#treesFile()), TREE_LINE).map(pair))
    const digest = this.#trees.get(state.digest)
    if (digest === undefined) return undefined
    // A tree that is used moves to the end, so that a big tree outlasts many edits of a small one.
    this.#trees.delete(state.digest)
    this.#trees.set(state.digest, digest)
    this.#states.set(digest, state.digest)
    return parseDigest(digest)
  }

  /** Remembers the digest of a tree that had this state before it was read. */
  keepTree(state: TreeState, digest: Digest): void {
    // If a tree has just changed, an equal state does not prove that it has not changed again.
    if (BigInt(Date.now()) * 1_000_000n - (BigInt(state.changed) + 1n) * 1_000_000_000n < SETTLED_NS) return
    this.#trees?.set(state.digest, digest)
    this.#states.set(digest, state.digest)
    this.#hasNewTrees = true
  }

  /** The state of the tree with this digest in this build, if that state shows every later change. */
  stateOf(digest: Digest): string | undefined {
    return this.#states.get(digest)
  }

  /** Writes the notes. If that fails, the next build reads the files again, and nothing else happens. */
  save(): void {
    if (this.#file === undefined) return
    if (this.#hasNew) save(this.#file, this.#lines())
    const trees = [...(this.#trees ?? [])].slice(-MAX_TREES)
    if (this.#hasNewTrees) save(this.#treesFile() ?? '', trees.map(line))
  }

  #treesFile(): string | undefined {
    return this.#file === undefined ? undefined : `${this.#file}.trees`
  }

  // Notes of other files are kept: files of a tree that was known as a whole were not asked for, but will be when one
  // of them changes.
  #lines(): string[] {
    const known = [...this.#known].filter(([key]) => !this.#fresh.has(key))
    const others = this.#states.size === 0 ? [] : [...this.#map()].filter(([key]) => !this.#known.has(key))
    return [...others.slice(-MAX_OTHERS), ...known].map(line)
  }

  #remembered(key: string): string | undefined {
    // For the few files of a small edit, a map of all notes would take longer than the rest of planning.
    if (this.#asked++ >= MAX_SEARCHES) return this.#map().get(key)
    const notes = this.#text()
    const at = notes.indexOf(`\n${key} `) + 1
    const line = at === 0 ? '' : notes.slice(at, notes.indexOf('\n', at))
    return LINE.test(line) ? line.slice(key.length + 1) : undefined
  }

  #map(): ReadonlyMap<string, string> {
    this.#earlier ??= new Map(linesOf(this.#text(), LINE).map(pair))
    return this.#earlier
  }

  // The text of the notes, with a newline before each line.
  #text(): string {
    this.#notes ??= `\n${notesOf(this.#file)}`
    return this.#notes
  }

  #read(file: Buffer): string {
    const hash = createHash('sha256')
    const { fd } = openRegular(file, { noFollow: true })
    try {
      for (let size = fs.readSync(fd, this.#buffer); size > 0; size = fs.readSync(fd, this.#buffer))
        hash.update(this.#buffer.subarray(0, size))
    } finally {
      fs.closeSync(fd)
    }
    return hash.digest('hex')
  }
}

// Lines that are damaged, as by a power cut, are dropped.
function linesOf(notes: string, form: RegExp): string[] {
  return notes.split('\n').filter(line => form.test(line))
}

/** If the notes cannot be read, the files are read instead. */
function notesOf(file: string | undefined): string {
  if (file === undefined) return ''
  try {
    return fs.readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

function pair(line: string): [string, string] {
  const blank = line.indexOf(' ')
  return [line.slice(0, blank), line.slice(blank + 1)]
}

function line(row: readonly [string, string]): string {
  return row.join(' ')
}

function save(file: string, lines: readonly string[]): void {
  const temporary = `${file}.${process.pid}`
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    fs.writeFileSync(temporary, `${lines.join('\n')}\n`, { mode: 0o600 })
    fs.renameSync(temporary, file)
  } catch {
    discard(temporary)
  }
}

function discard(file: string): void {
  try {
    fs.rmSync(file, { force: true })
  } catch {
    // The folder does not exist yet.
  }
}
