import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf } from '@pipelayer/errors'
import { syncfs } from '@pipelayer/sys'

/**
 * The root of a merged tree is the upper directory itself, so it starts with the metadata of the directory that it
 * covers.
 */
export function copyRoot(lower: string | undefined, upper: string): void {
  if (lower === undefined) {
    fs.chmodSync(upper, 0o755)
    return
  }
  const stat = fs.statSync(lower)
  fs.chownSync(upper, stat.uid, stat.gid)
  fs.chmodSync(upper, stat.mode & 0o7777)
  fs.utimesSync(upper, stat.atime, stat.mtime)
}

/**
 * Flushes a finished folder to disk and renames it to its place. If another build was faster, the folder of that build
 * is kept.
 */
export function publish(dir: string, target: string): void {
  attempt(`write "${target}"`, () => {
    const fd = fs.openSync(dir, 'r')
    try {
      syncfs(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 })
    try {
      fs.renameSync(dir, target)
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error
    }
  })
}
