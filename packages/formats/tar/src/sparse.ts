/**
 * The maps of sparse files. A map says which bytes of the file the archive holds; the others are zero.
 *
 *     old GNU (flag S)   four pairs in the header, then extension blocks of 21 pairs
 *     PAX 0.0, 0.1       records GNU.sparse.map and GNU.sparse.numblocks
 *     PAX 1.0            decimal lines before the content, padded to a block: count, then offset and length of each
 *
 * Spec: GNU tar manual, "Storing Sparse Files".
 *
 * @module
 */
import { FIELDS, type Field } from './block.js'
import { isHeaderOnly, type ReadEntry } from './entry.js'
import { FieldError } from './errors.js'
import { paxInteger } from './merge.js'
import { numberAt } from './numeric.js'

/** Offset and length of each piece, one after the other. */
export type SparseMap = readonly number[]

/** The most pieces of a map, as in Go archive/tar. It keeps the memory of a map under 20 MB. */
const MAX_PIECES = 1 << 20
const PAIR = 24
const EXTENSION: Field = [0, 505]
const DECIMAL = /^\d{1,16}$/

/** Adds the pairs of a header's or an extension's block; returns whether an extension follows. */
export function addGnuPairs(map: number[], block: Buffer, where: 'header' | 'extension'): boolean {
  const [start, width] = where === 'header' ? FIELDS.gnuSparse : EXTENSION
  const flag = start + width - 1
  for (let at = start; at + PAIR <= flag && block[at] !== 0; at += PAIR) {
    map.push(numberAt(block, [at, 12], 'sparse offset'), numberAt(block, [at + 12, 12], 'sparse length'))
  }
  checkCount(map.length / 2)
  return block[flag] !== 0
}

/** The map of PAX sparse 0.0 and 0.1. */
export function parseMapRecords(pax: ReadonlyMap<string, string>): SparseMap {
  const count = decimal(pax.get('GNU.sparse.numblocks') ?? '', 'GNU.sparse.numblocks')
  checkCount(count)
  const text = pax.get('GNU.sparse.map') ?? ''
  const map = text === '' ? [] : text.split(',').map(part => decimal(part, 'GNU.sparse.map'))
  if (map.length !== 2 * count)
    throw new FieldError(`GNU.sparse.map has ${map.length} numbers, not ${2 * count}`)
  return map
}

/** Reads the lines of PAX sparse 1.0 block by block. */
export class SparseLines {
  readonly map: number[] = []
  #partial = ''
  #wanted: number | undefined

  /** Takes the next block; true once the map is complete, the rest of that block being padding. */
  add(block: Buffer): boolean {
    const lines = (this.#partial + block.toString('latin1')).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) {
      this.#line(decimal(line, 'sparse map'))
      if (this.map.length === this.#wanted) return true
    }
    if (this.#partial.length > 32) throw new FieldError('sparse map has a line that is no number')
    return false
  }

  #line(value: number): void {
    if (this.#wanted !== undefined) this.map.push(value)
    else {
      checkCount(value)
      this.#wanted = 2 * value
    }
  }
}

/**
 * Checks a map against its file: the pieces must be in order, must not overlap, must lie inside `size`, and must have
 * exactly `stored` bytes together.
 *
 * @throws FieldError
 */
export function checkMap(map: SparseMap, size: number, stored: number): void {
  let end = 0
  let sum = 0
  for (let i = 0; i < map.length; i += 2) {
    const offset = map[i] ?? -1
    const length = map[i + 1] ?? -1
    if (offset < end || length < 0)
      throw new FieldError(`sparse pieces overlap or are out of order at ${offset}`)
    end = offset + length
    if (end > size) throw new FieldError(`sparse piece ends at ${end}, after the file's ${size} bytes`)
    sum += length
  }
  if (sum !== stored) throw new FieldError(`sparse map has ${sum} bytes, the archive holds ${stored}`)
}

/** Returns `0` for versions 0.0 and 0.1, and `1` for 1.0. A file of an undefined version is read as a plain file. */
export function paxSparseVersion(pax: ReadonlyMap<string, string>): '0' | '1' | undefined {
  const major = pax.get('GNU.sparse.major') || undefined
  const minor = pax.get('GNU.sparse.minor') || undefined
  if (major === '1' && minor === '0') return '1'
  if (major === '0' && (minor === '0' || minor === '1')) return '0'
  if (major !== undefined || minor !== undefined) return undefined
  return pax.get('GNU.sparse.map') ? '0' : undefined
}

/**
 * The entry with the name and the size of the whole file.
 *
 * @throws FieldError for a size that is no number, or a size of an entry without content
 */
export function paxSparseEntry(entry: ReadEntry): ReadEntry {
  if (isHeaderOnly(entry.typeflag)) throw new FieldError('a sparse map belongs to an entry without content')
  const { pax } = entry
  const size = paxInteger(pax, 'GNU.sparse.size') ?? paxInteger(pax, 'GNU.sparse.realsize') ?? entry.size
  return { ...entry, name: pax.get('GNU.sparse.name') || entry.name, size }
}

function decimal(text: string, what: string): number {
  if (!DECIMAL.test(text))
    throw new FieldError(`${what}: ${JSON.stringify(text.slice(0, 32))} is not a number`)
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new FieldError(`${what}: ${text} is beyond 2^53`)
  return value
}

function checkCount(pieces: number): void {
  if (pieces > MAX_PIECES) throw new FieldError(`sparse map has more than ${MAX_PIECES} pieces`)
}
