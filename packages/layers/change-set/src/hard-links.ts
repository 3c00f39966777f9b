/**
 * Finds files whose set of names has changed, though no single name differs.
 *
 * @module
 */

/** A name of a file that has or had several names. */
export interface SharedName {
  /** Identifies the file; it is the same for all of its names. */
  readonly file: unknown
  /** Identifies, in the same way, the file that had the name before; undefined where none had it. */
  readonly before: unknown
  /**
   * Whether it counts as a change that names of one file are separate files now. This is asked only of a file that is
   * equal to the one before.
   */
  readonly parts: boolean
}

/** The part of a pair of trees that concerns hard links. */
export interface SharedTree<Dir> {
  readonly root: Dir
  /** The hard-linked files and the folders in a directory now. */
  shared(dir: Dir): { readonly files: readonly SharedName[]; readonly folders: readonly Dir[] }
}

/**
 * The files whose names were not one file before. Every name of such a file is a change, even where it is equal to the
 * file before, since otherwise the names would not become one file where the changes are applied. In the opposite case,
 * names that were one file and are now equal files are changes only where {@link SharedName.parts} is true, since
 * overlayfs breaks links by itself when it copies up.
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
  /** For each file now: the file that had its names before. */
  readonly #before = new Map<unknown, unknown>()
  /** For each file before: the first file now that has one of its names. */
  readonly #now = new Map<unknown, unknown>()

  add({ file, before, parts }: SharedName): void {
    const isOther = this.#before.has(file) && this.#before.get(file) !== before
    if (isOther || before === undefined) this.regrouped.add(file)
    this.#before.set(file, before)
    if (parts) this.#part(file, before)
  }

  /** A name that still has the same file as before is no change. */
  #part(file: unknown, before: unknown): void {
    const first = this.#now.get(before) ?? file
    this.#now.set(before, first)
    if (first === file) return
    for (const one of [first, file]) if (one !== before) this.regrouped.add(one)
  }
}
