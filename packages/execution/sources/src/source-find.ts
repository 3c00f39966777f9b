import fs from 'node:fs'
import { matchGlob } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { cleanName, type Rooted } from '@pipelayer/rootfs'
import type { SourcePattern } from './copy-paths.js'
import { type NameMatcher, nameMatcher, textOf } from './name-matcher.js'
import { join, type Selection, sortedNames, walkSource } from './source-walk.js'

/** A tree to copy from. */
export interface SourceTree {
  readonly root: Rooted
  /** The names that .dockerignore excludes. They and all names below them do not exist for a copy. */
  readonly ignored: NameMatcher
  /** The owner of all files, whatever the disk says: the files of a context belong to root. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/** One file or directory to copy. */
export interface FoundSource {
  /** The clean name by which it was given or matched. A file that is copied into a directory gets its last part. */
  readonly name: string
  readonly real: string
  readonly selection: Selection
}

/**
 * The files that a source stands for, in byte order.
 *
 * @throws {ToolError} `NOT_FOUND` if a name without wildcards does not exist, or is ignored
 */
export function findSources(
  tree: SourceTree,
  pattern: SourcePattern,
  excludes: readonly string[],
): FoundSource[] {
  const names = pattern.wildcard === undefined ? [pattern.base] : expandWildcard(tree, pattern)
  const choose = chooser(pattern, excludes)
  return names.flatMap(name => {
    const real = tree.root.resolve(name)
    const found = { name, real, selection: selectionOf(tree, choose) }
    if (!isVisible(tree, name, real)) {
      if (pattern.optional && !isDangling(tree, name, real)) return []
      throw notFound(name, tree)
    }
    if (pattern.include !== undefined) checkIncluded(tree, found, pattern)
    // The patterns of --exclude apply to the contents of a directory. A file that is itself a source is copied.
    return [found]
  })
}

interface Chooser {
  readonly chosen: (name: string) => boolean
  readonly prunes: boolean
}

function chooser(pattern: SourcePattern, excludes: readonly string[]): Chooser {
  const exclude = nameMatcher(excludes)
  const include = pattern.include === undefined ? undefined : nameMatcher([pattern.include])
  return {
    chosen: name => (include?.matches(name) ?? true) && !exclude.matches(name),
    prunes: include === undefined && !exclude.hasNegation,
  }
}

function selectionOf(tree: SourceTree, choose: Chooser): Selection {
  return {
    ignored: tree.ignored.matches,
    emptied: tree.ignored.empties,
    chosen: choose.chosen,
    prunes: choose.prunes && !tree.ignored.hasNegation,
  }
}

function checkIncluded(tree: SourceTree, found: FoundSource, pattern: SourcePattern): void {
  if (pattern.optional) return
  const wanted = join(found.name, pattern.include ?? '')
  if (!isVisible(tree, wanted, tree.root.resolve(wanted))) throw notFound(wanted, tree)
}

/**
 * Whether a name exists in the tree and is not ignored. An ignored directory counts as existing if something below it
 * is not ignored.
 */
function isVisible(tree: SourceTree, name: string, real: string): boolean {
  const stat = tree.root.lstat(real)
  if (!stat) return false
  if (real === '') return true
  const isIgnored = tree.ignored.matches(real) || tree.ignored.matches(cleanName(name))
  if (!isIgnored) return true
  if (!stat.isDirectory() || !tree.ignored.hasNegation) return false
  const below = walkSource(tree.root, real, { ignored: tree.ignored.matches, prunes: false })
  for (const entry of below) if (entry.name !== '') return true
  return false
}

// A wildcard that matches nothing is no error, but one that matches a symlink without a target is.
function isDangling(tree: SourceTree, name: string, real: string): boolean {
  const isLink = tree.root.lstat(name)?.isSymbolicLink() === true
  return isLink && tree.root.lstat(real) === undefined && !tree.ignored.matches(cleanName(name))
}

/** The names that match a pattern with wildcards. It is matched part by part, so that no wildcard crosses a slash. */
function expandWildcard(tree: SourceTree, pattern: SourcePattern): string[] {
  let names = [pattern.base]
  for (const part of (pattern.wildcard ?? '').split('/'))
    names = names.flatMap(dir => matchesIn(tree.root, dir, part))
  return names
}

function matchesIn(root: Rooted, dir: string, pattern: string): string[] {
  const real = root.resolve(dir)
  if (!root.lstat(real)?.isDirectory()) return []
  const fd = root.open(real, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    return sortedNames(fd)
      .filter(name => matchGlob(pattern, textOf(name)))
      .map(name => join(dir, name))
  } finally {
    fs.closeSync(fd)
  }
}

function notFound(name: string, tree: SourceTree): ToolError {
  const hint = tree.ignored.matches(cleanName(name)) ? ' (.dockerignore leaves it out)' : ''
  return new ToolError('NOT_FOUND', `"/${showName(name)}": not found${hint}`)
}
