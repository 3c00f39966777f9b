/**
 * The rules by which COPY and ADD read their paths. No file is looked at here. Paths are binary strings. Spec:
 * BuildKit, dockerfile2llb/convert_copy.go; fsutil, copy/copy.go.
 *
 * @module
 */
import { cleanName } from '@pipelayer/rootfs'

/** The destination of a copy: an absolute name in the image, and whether it was written as a directory. */
export interface Destination {
  /** Without leading slash, clean; empty for the root. */
  readonly path: string
  /** It was written with a trailing `/` or `/.`, or as `.`, or is empty. */
  readonly isDirectory: boolean
}

/** Reads a destination, relative to `workdir`. */
export function destination(dest: string, workdir: string): Destination {
  const isDirectory = dest === '' || dest === '.' || /(^|\/)\.?$/.test(dest)
  const path = cleanName(dest.startsWith('/') ? dest : `${workdir}/${dest}`)
  return { path, isDirectory: isDirectory || path === '' }
}

/** A source: its path up to the first wildcard, and the pattern for the rest. */
export interface SourcePattern {
  /** Clean, without leading slash. */
  readonly base: string
  /** The pattern for names relative to `base`; undefined if the source has no wildcard. */
  readonly wildcard?: string
  /** With --parents: the pattern of the names that are copied, with their paths below `base`. */
  readonly include?: string
  /** The source has a wildcard, so that it is no error if nothing matches. */
  readonly optional: boolean
}

/** Reads one source. With `parents`, the path after `/./`, or the whole path, is kept below the destination. */
export function sourcePattern(source: string, options: { readonly parents: boolean }): SourcePattern {
  if (!options.parents) return splitWildcard(cleanName(source))
  const pivot = source.indexOf('/./')
  const base = pivot < 0 ? '' : cleanName(source.slice(0, pivot))
  const kept = cleanName(pivot < 0 ? source : source.slice(pivot + 3))
  const include = kept === '' ? '**' : kept
  const head = splitWildcard(base)
  return { ...head, include, optional: head.optional || hasWildcard(kept) || kept === '' }
}

function splitWildcard(source: string): SourcePattern {
  const parts = source === '' ? [] : source.split('/')
  const first = parts.findIndex(hasWildcard)
  if (first < 0) return { base: source, optional: false }
  return { base: parts.slice(0, first).join('/'), wildcard: parts.slice(first).join('/'), optional: true }
}

/** Whether Go's filepath.Match would treat a name as a pattern. */
export function hasWildcard(name: string): boolean {
  return /^(?:\\.|[^\\*?[])*[*?[]/s.test(name)
}
