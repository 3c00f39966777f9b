/**
 * Hard links: which files have other names than before, though none of them differs by itself.
 *
 * @module
 */

/** A name of a file that has several, or had. */
export interface SharedName {
  /** The same for all names of a file. */
  readonly file: unknown
  /** What had the name before, told from others in the same way; undefined where nothing had it. */
  readonly before: unknown
  /** Whether it counts when names that were one file are files of their own now: it has to be equal to what was before. */
  readonly parts: boolean
}

/** A tree and the one before it, as far as hard links go. */
export interface SharedTree<Dir> {
  readonly root: Dir
  /** What is in a directory now. */
  shared(dir: Dir): { readonly files: readonly SharedName[]; readonly folders: readonly Dir[] }
}

/**
 * The files whose names were not one file before: every name of such a file is a change, also one that is equal to what
 * was there, since only so are they one file again where the changes are applied. The other way round, names that were
 * one file and now are equal files are changes only where the tree says that it {@link SharedName.parts}: overlayfs
 * breaks links by itself when it copies up.
 *
 * Walks the whole tree; memory: one entry for each hard-linked file.
 */
export function regroupedFiles<Dir>(tree: SharedTree<Dir>): ReadonlySet<unknown> {
  const groups = new Groups()
  const folders = [tree.root]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const shared = tree.shared(folder)
    for (const one of shared.folders) folders.push(one)
    for (const name of shared.files) groups.add(name)
  }
  return groups.regrouped
}

class Groups {
  readonly regrouped = new Set<unknown>()
  /** By the file that a name is now: what had the name before. */
  readonly #before = new Map<unknown, unknown>()
  /** By the file that a name was: the first that has one of its names now. */
  readonly #now = new Map<unknown, unknown>()

  add({ file, before, parts }: SharedName): void {
    const isOther = this.#before.has(file) && this.#before.get(file) !== before
    if (isOther || before === undefined) this.regrouped.add(file)
    this.#before.set(file, before)
    if (parts) this.#part(file, before)
  }

  /** A name that has kept the very file of before need not be told. */
  #part(file: unknown, before: unknown): void {
    const first = this.#now.get(before) ?? file
    this.#now.set(before, first)
    if (first === file) return
    for (const one of [first, file]) if (one !== before) this.regrouped.add(one)
  }
}
