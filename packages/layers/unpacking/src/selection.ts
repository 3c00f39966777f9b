/**
 * Selects the entries of layers that are unpacked, and changes their names.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { binaryOf, OPAQUE_NAME, WHITEOUT_PREFIX } from '@pipelayer/rootfs'
import type { ReadEntry } from '@pipelayer/tar'

export interface SelectionOptions {
  /**
   * Patterns of the paths that are unpacked, each with all below it: `*` and `?` stand for anything within a component,
   * `[a-z]` and `[!a-z]` for one byte, `**` for any components, none included. Names are matched as they are before
   * `strip`.
   */
  readonly globs?: readonly string[]
  /**
   * The number of leading components that are removed from names and from targets of hard links. An entry with no more
   * components is left out.
   */
  readonly strip?: number
}

/** An entry to be made, and its path. */
export interface Chosen {
  readonly components: readonly string[]
  readonly entry: ReadEntry
}

/**
 * Chooses entries of the layers of one image, which it sees lowest first. A directory on the way to a chosen entry is
 * kept with its attributes, but made only when an entry in it is.
 *
 * Memory: an entry for each directory that is not chosen.
 */
export class Selection {
  readonly #globs: readonly RegExp[]
  readonly #strip: number
  /** Directories that may be needed later. The value is undefined for those that have been made. */
  readonly #folders = new Map<string, ReadEntry | undefined>()

  /** @throws ToolError `GLOB_INVALID`, status 2 */
  constructor({ globs = [], strip = 0 }: SelectionOptions) {
    this.#globs = globs.map(globRegExp)
    this.#strip = strip
  }

  /** The entries to make for one entry of a layer, in order: none, itself, or the directories above it and itself. */
  choose(components: readonly string[], entry: ReadEntry): readonly Chosen[] {
    if (components.length === 0) return this.#strip === 0 ? [{ components, entry }] : []
    const last = components.at(-1) ?? ''
    if (last.startsWith(WHITEOUT_PREFIX)) this.#forget(components, last)
    else if (!this.#isWanted(components, entry)) return []
    else return [...this.#above(components), { components, entry }].flatMap(chosen => this.#stripped(chosen))
    // The hidden entry may not have been selected; then the whiteout removes nothing.
    return this.#stripped({ components, entry })
  }

  /** The components of a hard link's target. */
  target(components: readonly string[]): readonly string[] {
    return components.slice(this.#strip)
  }

  #isWanted(components: readonly string[], entry: ReadEntry): boolean {
    const path = components.join('/')
    if (this.#globs.length === 0 || this.#globs.some(glob => glob.test(path))) return true
    if (entry.type !== 'dir') return false
    if (this.#folders.has(path) && this.#folders.get(path) === undefined) return true
    this.#folders.set(path, entry)
    return false
  }

  #above(components: readonly string[]): Chosen[] {
    const chosen: Chosen[] = []
    for (let depth = 1; depth < components.length && this.#folders.size > 0; depth++) {
      const parents = components.slice(0, depth)
      const path = parents.join('/')
      const entry = this.#folders.get(path)
      if (entry === undefined) continue
      this.#folders.set(path, undefined)
      chosen.push({ components: parents, entry })
    }
    return chosen
  }

  #forget(components: readonly string[], last: string): void {
    if (last !== OPAQUE_NAME)
      this.#folders.delete([...components.slice(0, -1), last.slice(WHITEOUT_PREFIX.length)].join('/'))
  }

  #stripped({ components, entry }: Chosen): Chosen[] {
    if (this.#strip === 0) return [{ components, entry }]
    return components.length > this.#strip ? [{ components: components.slice(this.#strip), entry }] : []
  }
}

/** Matches a path, a binary string, or one that begins with it as a directory. */
function globRegExp(glob: string): RegExp {
  const parts = binaryOf(glob)
    .split('/')
    .filter(part => part !== '' && part !== '.')
  if (parts.length === 0 || parts.includes('..'))
    throw new ToolError('GLOB_INVALID', `${JSON.stringify(glob)} names nothing in an image`, { status: 2 })
  const source = parts.map((part, at) => (part === '**' ? anyDepth(at, parts.length) : componentSource(part)))
  const joined = source.map((text, at) => (at > 0 && parts[at - 1] !== '**' ? `/${text}` : text)).join('')
  try {
    return new RegExp(`^${joined}(?:/.*)?$`, 's')
  } catch (cause) {
    throw new ToolError('GLOB_INVALID', `${JSON.stringify(glob)} is no pattern`, { status: 2, cause })
  }
}

function anyDepth(at: number, count: number): string {
  return at === count - 1 ? '.*' : '(?:[^/]+/)*'
}

/** The regular expression for one component: `*`, `?`, `[...]`, and a backslash before a literal character. */
function componentSource(part: string): string {
  return part.replace(/\\(.)|\*+|\?|\[(!?)([^\]]+)\]|[^A-Za-z0-9]/gs, (text, ...groups) => {
    const [literal, not, set] = groups
    if (literal !== undefined) return escaped(literal)
    if (set !== undefined) return `[${not === '!' ? '^/' : ''}${set.replace(/[\\^[]/g, '\\$&')}]`
    if (text.startsWith('*')) return '[^/]*'
    return text === '?' ? '[^/]' : escaped(text)
  })
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
