import { createHash } from 'node:crypto'
import fs from 'node:fs'
import type { Rooted } from '@pipelayer/rootfs'
import { fileState, STATE_WORDS } from '@pipelayer/sys'
import type { FoundSource } from './source-find.js'
import { isIncluded, join, sortedNames } from './source-walk.js'

/** The state of the files of a copy, found without reading them. */
export interface TreeState {
  /** If it is equal at two times, no name, content or metadata has changed in between. */
  readonly digest: string
  /** The time of the newest change, in seconds since 1970. */
  readonly changed: number
}

/** How many entries are hashed at once. */
const BATCH = 512
const { S_IFMT, S_IFDIR } = fs.constants

/**
 * The state of all files that would be copied. It takes one statx for each file, an eighth of the time that a digest
 * over names and remembered contents takes. It is undefined if the system cannot tell the state, or if a file is
 * removed in the meantime.
 *
 * @param about - further text that the result depends on
 */
export function treeState(root: Rooted, found: readonly FoundSource[], about: string): TreeState | undefined {
  const walk = new StateWalk(root, about)
  return found.every(source => walk.source(source)) ? walk.end() : undefined
}

class StateWalk {
  readonly #root: Rooted
  readonly #hash = createHash('sha256')
  readonly #words = new Uint32Array(BATCH * STATE_WORDS)
  #names = ''
  #count = 0
  #changed = 0

  constructor(root: Rooted, about: string) {
    this.#root = root
    this.#hash.update(`${about.length} ${about}`)
  }

  /** Returns false if the state of a file is not known. */
  source(source: FoundSource): boolean {
    this.#flush()
    this.#hash.update(`${JSON.stringify([source.name, source.real])}\n`)
    const mode = this.#add(this.#root.fd, source.real === '' ? '.' : source.real)
    return mode !== undefined && (!isDirectory(mode) || this.#directory(source, ''))
  }

  end(): TreeState {
    this.#flush()
    return { digest: this.#hash.digest('hex'), changed: this.#changed }
  }

  #directory(source: FoundSource, parent: string): boolean {
    const { real, selection } = source
    const fd = this.#root.open(join(real, parent), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    try {
      for (const child of sortedNames(fd)) {
        const name = join(parent, child)
        const included = isIncluded(real, name, selection)
        if (!included && selection.prunes) continue
        const mode = this.#add(fd, child)
        if (mode === undefined) return false
        if (isDirectory(mode) && !this.#directory(source, name)) return false
      }
    } finally {
      fs.closeSync(fd)
    }
    // No name is empty, so an empty one marks the end of a directory.
    this.#names += '\0'
    return true
  }

  #add(dirfd: number, name: string): number | undefined {
    if (this.#count === BATCH) this.#flush()
    const state = fileState(dirfd, name, [this.#words, this.#count * STATE_WORDS])
    if (state === undefined) return undefined
    this.#count++
    this.#names += `${name}\0`
    if (state.changed > this.#changed) this.#changed = state.changed
    return state.mode
  }

  #flush(): void {
    this.#hash.update(`${this.#count} ${this.#names.length}\n`)
    this.#hash.update(this.#names, 'latin1')
    this.#hash.update(this.#words.subarray(0, this.#count * STATE_WORDS))
    this.#names = ''
    this.#count = 0
  }
}

function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR
}
