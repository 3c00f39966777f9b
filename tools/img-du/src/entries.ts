import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, systemError } from '@pipelayer/errors'

/** Errors of folders that are not there, and of those that this process may not read. */
const UNSEEN = new Set(['EACCES', 'ENOENT', 'ENOTDIR', 'EPERM'])

/** The entries that lie `depth` levels below a folder, as far as they can be seen. @throws the system's errors */
export function entriesIn(folder: string, depth: number): string[] {
  let names: string[]
  try {
    names = fs.readdirSync(folder)
  } catch (error) {
    if (UNSEEN.has(errnoOf(error) ?? '')) return []
    throw systemError(error, `read the folder "${folder}"`)
  }
  const entries = names.map(name => path.join(folder, name))
  return depth === 1 ? entries : entries.flatMap(entry => entriesIn(entry, depth - 1))
}
