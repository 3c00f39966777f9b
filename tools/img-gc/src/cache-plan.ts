/**
 * Decides which units of the build cache go.
 *
 * @module
 */
import type { CacheUnit } from '@pipelayer/collection'
import { namersFirst } from './order.js'

/** What is to stay. */
export interface CacheRules {
  readonly nowMs: number
  /** What was used or written in this time stays, whatever else is said. */
  readonly minAgeMs: number
  /** Of the build cache, this much stays even if it is older; without it, nothing that is older. */
  readonly keepBytes?: number | undefined
  /** Bytes of disk that the files and trees of a unit take. It is asked only with `keepBytes`. */
  treeBytes(unit: CacheUnit): number
}

interface BlobSizes {
  /** Bytes of disk that a blob takes which nothing but the build cache needs; 0 for any other. */
  blobBytes(digest: string): number
}

export type UnusedReason = 'unused' | 'over-limit'

/**
 * A build uses its steps within this time, apart from those that it executes. Steps that only their layers are left of
 * do not say what they were executed on, so those that were used together are kept together.
 */
const TOGETHER_MS = 60_000

/**
 * The units that go: those that were used longest ago first, but each step before those that it was executed on. So a
 * step that is left when this is broken off still has what it needs.
 */
export function unusedUnits(
  units: readonly CacheUnit[],
  rules: CacheRules & BlobSizes,
): Map<CacheUnit, UnusedReason> {
  const { nowMs, minAgeMs, keepBytes } = rules
  const used = lastUses(units)
  const usedMs = (unit: CacheUnit): number => used.get(unit) ?? unit.usedMs
  const latestFirst = units.toSorted((a, b) => usedMs(b) - usedMs(a))
  const kept = new Kept(units, rules)
  for (const unit of latestFirst) if (usedMs(unit) > nowMs - minAgeMs) kept.add(unit)
  if (keepBytes !== undefined) {
    for (const unit of latestFirst) {
      const added = kept.bytesWith(unit)
      if (added > keepBytes) break
      kept.add(unit)
    }
  }
  const reason = keepBytes === undefined ? 'unused' : 'over-limit'
  const gone = latestFirst.filter(unit => !kept.has(unit)).reverse()
  return new Map(namersFirst(gone, unit => kept.below(unit)).map(unit => [unit, reason]))
}

/** The units that stay, and how units need each other. With a step those stay that it was executed on. */
class Kept {
  readonly #units = new Set<CacheUnit>()
  readonly #blobs = new Set<string>()
  readonly #byPath = new Map<string, CacheUnit>()
  readonly #rules: CacheRules & BlobSizes
  #bytes = 0

  constructor(units: readonly CacheUnit[], rules: CacheRules & BlobSizes) {
    this.#rules = rules
    for (const unit of units) for (const path of unit.paths) this.#byPath.set(nameIn(path), unit)
  }

  has(unit: CacheUnit): boolean {
    return this.#units.has(unit)
  }

  add(unit: CacheUnit): void {
    for (const each of this.#missing(unit)) {
      this.#bytes += this.#cost(each)
      this.#units.add(each)
      for (const digest of each.digests) this.#blobs.add(digest)
    }
  }

  /** The bytes of all that would stay if this unit did. */
  bytesWith(unit: CacheUnit): number {
    return this.#missing(unit).reduce((sum, each) => sum + this.#cost(each), this.#bytes)
  }

  #cost(unit: CacheUnit): number {
    if (this.#rules.keepBytes === undefined) return 0
    const blobs = unit.digests.filter(digest => !this.#blobs.has(digest))
    return blobs.reduce((sum, digest) => sum + this.#rules.blobBytes(digest), this.#rules.treeBytes(unit))
  }

  /** What a step was executed on, as far as it is there. */
  below(unit: CacheUnit): CacheUnit[] {
    return unit.below.flatMap(path => this.#byPath.get(path) ?? [])
  }

  /** The unit and all that it was executed on, without those that stay anyway. */
  #missing(unit: CacheUnit): CacheUnit[] {
    const found = new Set<CacheUnit>()
    const waiting = [unit]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (found.has(next) || this.#units.has(next)) continue
      found.add(next)
      waiting.push(...this.below(next))
    }
    return [...found]
  }
}

/** The path in its store: `steps/FORM/KEY`, with which the note of a step names what it was executed on. */
function nameIn(path: string): string {
  return path.split('/').slice(-3).join('/')
}

function lastUses(units: readonly CacheUnit[]): Map<CacheUnit, number> {
  const alone = units.filter(({ kind, below }) => kind === 'step' && below.length === 0)
  const uses = new Map<CacheUnit, number>()
  let later: { readonly at: number; readonly counts: number } | undefined
  for (const unit of alone.toSorted((a, b) => b.usedMs - a.usedMs)) {
    const isTogether = later !== undefined && later.at - unit.usedMs <= TOGETHER_MS
    later = { at: unit.usedMs, counts: isTogether && later !== undefined ? later.counts : unit.usedMs }
    uses.set(unit, later.counts)
  }
  return uses
}
