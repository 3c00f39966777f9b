import fs from 'node:fs'
import path from 'node:path'
import { isDigest } from '@pipelayer/digest'
import type { Store } from '@pipelayer/store'
import { isOrphan } from '@pipelayer/sys'
import { namesIn } from './disk-bytes.js'

/** Work that was broken off, and what was found to be damaged. */
export interface Leftover {
  readonly kind: 'partial' | 'push' | 'damaged' | 'temporary'
  /** Absolute: a file or a tree. */
  readonly path: string
  /** The blob that it is, or was to be. */
  readonly digest?: string
  /** When it was written to: milliseconds since 1970. */
  readonly usedMs: number
  /** The process that made it is provably gone. */
  readonly isOrphan: boolean
}

/** Everything of that kind in a store, by kind, then in byte order of the names. @throws the system's errors */
export function leftovers(store: Store): Leftover[] {
  return [
    ...leftIn(store.folder('partial'), 'partial'),
    ...leftIn(store.folder('pushes'), 'push'),
    ...leftIn(store.folder('damaged'), 'damaged'),
    ...leftIn(store.folder('tmp'), 'temporary'),
    // Blobs and an index.json that are not complete yet.
    ...leftIn(path.join(store.root, 'blobs', '.partial'), 'temporary'),
  ]
}

function leftIn(folder: string, kind: Leftover['kind']): Leftover[] {
  return namesIn(folder).flatMap(name => {
    const file = path.join(folder, name)
    const stat = fs.lstatSync(file, { throwIfNoEntry: false })
    if (stat === undefined) return []
    const digest = name.replace('-', ':')
    return [
      {
        kind,
        path: file,
        ...(isDigest(digest) ? { digest } : {}),
        usedMs: stat.mtimeMs,
        isOrphan: kind === 'temporary' && isOrphan(name),
      },
    ]
  })
}
