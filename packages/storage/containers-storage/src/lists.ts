import fs from 'node:fs'
import path from 'node:path'
import { readRegular } from '@pipelayer/sys'
import { ifThere } from './explained.js'

/** A folder with images and layers of one driver. */
export interface Part {
  readonly root: string
  readonly driver: string
}

/** Each record takes some 1,000 bytes. */
const MAX_LIST_BYTES = 256 * 1024 * 1024
const MAX_KNOWN = 16

interface Known {
  /** Which file it is, and of when. A list is never changed in place. */
  readonly stamp: string
  readonly records: readonly object[]
}

/** The lists that were read last, by their files: a pull of many images opens the storage for each of them. */
const KNOWN = new Map<string, Known>()

/**
 * A list of a storage; empty where there is none.
 *
 * @throws ToolError those of `parse`; `FILE_INVALID`, `FILE_TOO_LARGE`; `EACCES` and the like
 */
export function readList<T extends object>(
  { root, driver }: Part,
  what: 'images' | 'layers',
  parse: (text: string, file: string) => readonly T[],
): readonly T[] {
  const file = path.join(root, `${driver}-${what}`, `${what}.json`)
  const stat = ifThere(file, () => fs.statSync(file, { bigint: true }))
  if (stat === undefined) return []
  const stamp = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ')
  const known = KNOWN.get(file)
  // The same file was read by the same function.
  if (known?.stamp === stamp) return known.records as readonly T[]
  const bytes = ifThere(file, () => readRegular(file, MAX_LIST_BYTES))
  const records = bytes === undefined ? [] : parse(bytes.toString('utf8'), file)
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear()
  KNOWN.set(file, { stamp, records })
  return records
}
