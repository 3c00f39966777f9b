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
 * breaks links by itself when it copies up. A name that has kept the very file of before need not be told.
 *
 * Walks the whole tree; memory: one entry for each hard-linked file.
 */
export function regroupedFiles<Dir>(tree: SharedTree<Dir>): Set<unknown> {
  const before = new Map<unknown, unknown>()
  const after = new Map<unknown, unknown>()
  const regrouped = new Set<unknown>()
  const folders = [tree.root]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const shared = tree.shared(folder)
    for (const one of shared.folders) folders.push(one)
    for (const name of shared.files) {
      const isOther = before.has(name.file) && before.get(name.file) !== name.before
      if (isOther || name.before === undefined) regrouped.add(name.file)
      before.set(name.file, name.before)
      if (!name.parts) continue
      const first = after.get(name.before) ?? name.file
      after.set(name.before, first)
      if (first !== name.file)
        for (const file of [first, name.file]) if (file !== name.before) regrouped.add(file)
    }
  }
  return regrouped
}
