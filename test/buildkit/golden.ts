/**
 * What a Docker engine gave, as checked in, and the differences that are known.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Result } from './result.js'

export interface Golden {
  /** The engine that these were recorded from. */
  readonly engine: string
  /** Where results depend on it: which base they were recorded on. */
  readonly base?: string
  readonly cases: Readonly<Record<string, Result>>
}

/** One difference: what it is about and what both say, on one line. */
export interface Difference {
  /** `config.Env`, `history.2`, `empty.2`, `tree.etc/passwd`, `error`. */
  readonly at: string
  readonly ours: string
  readonly theirs: string
}

/** A known difference: its case and place (regular expressions of the whole text) and why it is so. */
export interface KnownDifference {
  readonly case: string
  readonly at: string
  /** What ours is; any unless said. */
  readonly ours?: string
  readonly reason: string
}

/** Reads golden data; undefined where none is recorded. */
export function readGolden(folder: string, name: string): Golden | undefined {
  const file = path.join(folder, 'golden', `${name}.json`)
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Golden) : undefined
}

/** Writes golden data, one line for each part of a case, so that a change shows as such. */
export function writeGolden(folder: string, name: string, golden: Golden): void {
  const sorted = Object.entries(golden.cases).sort(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify({ ...golden, cases: Object.fromEntries(sorted) }, null, 2)
  fs.writeFileSync(path.join(folder, 'golden', `${name}.json`), `${text}\n`)
}

/** Every place where two results differ. Of errors only that both fail counts: words are each builder's own. */
export function differences(ours: Result, theirs: Result): Difference[] {
  if ('error' in ours || 'error' in theirs) {
    if ('error' in ours && 'error' in theirs) return []
    return [{ at: 'error', ours: errorOf(ours), theirs: errorOf(theirs) }]
  }
  return [
    ...compare('config', ours.config, theirs.config),
    ...compare('history', { ...ours.history }, { ...theirs.history }),
    ...compare('empty', { ...ours.empty }, { ...theirs.empty }),
    ...compare('tree', ours.tree, theirs.tree),
  ]
}

function errorOf(result: Result): string {
  return 'error' in result ? result.error : 'was built'
}

type Fields = Readonly<Record<string, unknown>>

function compare(part: string, ours: Fields, theirs: Fields): Difference[] {
  return [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
    .sort()
    .map(key => ({ at: `${part}.${key}`, ours: textOf(ours[key]), theirs: textOf(theirs[key]) }))
    .filter(one => one.ours !== one.theirs)
}

// Objects of sets and maps are alike in any order; lists are not.
function textOf(value: unknown): string {
  if (value === undefined) return 'absent'
  return JSON.stringify(value, (_, item: unknown) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}

/** The known difference that explains one, if any. */
export function explain(
  known: readonly KnownDifference[],
  name: string,
  difference: Difference,
): KnownDifference | undefined {
  return known.find(
    one =>
      matches(one.case, name) && matches(one.at, difference.at) && matches(one.ours ?? '.*', difference.ours),
  )
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(`^(${pattern})$`, 's').test(text)
}
