/**
 * How COPY and ADD read their paths: pure rules, no file is looked at. Paths are binary strings.
 * Spec: BuildKit, dockerfile2llb/convert_copy.go; fsutil, copy/copy.go.
 *
 * @module
 */
import { cleanName } from '@pipelayer/rootfs'

/** Where a destination points: an absolute name in the image, and whether it was written as a directory. */
export interface Destination {
  /** Without leading slash, clean; empty for the root. */
  readonly path: string
  /** Written with a trailing `/` or `/.`, or as `.` or nothing. */
  readonly isDirectory: boolean
}

/** A destination relative to `workdir`. */
export function destination(dest: string, workdir: string): Destination {
  const isDirectory = dest === '' || dest === '.' || /(^|\/)\.?$/.test(dest)
  const path = cleanName(dest.startsWith('/') ? dest : `${workdir}/${dest}`)
  return { path, isDirectory: isDirectory || path === '' }
}

/** A source: where to begin without wildcards, and the pattern for what is below. */
export interface SourcePattern {
  /** Clean, without leading slash. */
  readonly base: string
  /** Matched against names relative to `base`; undefined where the source has no wildcard. */
  readonly wildcard?: string
  /** Of --parents: only what matches is copied, with its path below `base`. */
  readonly include?: string
  /** A wildcard stands in the source, so that no match is no error. */
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

/** Whether Go's filepath.Match would see more than a plain name. */
export function hasWildcard(name: string): boolean {
  return /^(?:\\.|[^\\*?[])*[*?[]/s.test(name)
}
