import { createHash } from 'node:crypto'
import type { ChangeRecord, EntryFields } from './types.js'

/** Collects the changes of one layer; see {@link changesDigest}. */
export interface ChangesDigest {
  update(change: ChangeRecord): void
  /** How many changes there were. */
  readonly count: number
  /** Returns `sha256:...`. No change may be added after it. */
  digest(): string
}

/** Hashing every line on its own would cost more than the hash itself. */
const BATCH_CHARS = 64 * 1024

/**
 * The digest that `layer-end` states over the changes since its `layer-begin`.
 *
 * Canonical form of a change: the JSON array `[op, path, pathRaw, parent, entry]`, `entry` being `null` or
 * `[type, mode, uid, gid, mtime, size, linkname, linknameRaw, devmajor, devminor, xattrs, source, sourceRaw]` with
 * xattrs as name-value pairs sorted by name; an absent field is `null`; each ends with a newline; UTF-8. An entry with
 * `content` has `[digest, offset, runs]` of that at the end; the path in `content` is only a hint and is left out.
 * Fields that the type does not know are left out, so a filter may add some.
 */
export function changesDigest(): ChangesDigest {
  const hash = createHash('sha256')
  let batch = ''
  let count = 0
  return {
    update(change) {
      count++
      batch += `${canonical(change)}\n`
      if (batch.length < BATCH_CHARS) return
      hash.update(batch)
      batch = ''
    },
    get count() {
      return count
    },
    digest() {
      return `sha256:${hash.update(batch).digest('hex')}`
    },
  }
}

function canonical({ op, path, pathRaw, parent, entry }: ChangeRecord): string {
  // JSON.stringify writes undefined in an array as null.
  return JSON.stringify([op, path, pathRaw, parent === true, entry ? entryRow(entry) : null])
}

function entryRow(e: EntryFields): unknown[] {
  const xattrs = e.xattrs ? Object.entries(e.xattrs).sort(([a], [b]) => (a < b ? -1 : 1)) : null
  return [
    e.type,
    e.mode,
    e.uid,
    e.gid,
    e.mtime,
    e.size,
    e.linkname,
    e.linknameRaw,
    e.devmajor,
    e.devminor,
    xattrs,
    e.source,
    e.sourceRaw,
    // The row grows only where the field is present, so that entries without `content` keep the digest that they had
    // before the field existed.
    ...(e.content === undefined ? [] : [[e.content.digest, e.content.offset, e.content.runs]]),
  ]
}
