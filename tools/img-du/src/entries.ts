import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, systemError } from '@pipelayer/errors'

/** The entries that lie `depth` levels below a folder; none where it does not exist. @throws the system's errors */
export function entriesIn(folder: string, depth: number): string[] {
  let names: string[]
  try {
    names = fs.readdirSync(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw systemError(error, `read the folder "${folder}"`)
  }
  const entries = names.map(name => path.join(folder, name))
  return depth === 1 ? entries : entries.flatMap(entry => entriesIn(entry, depth - 1))
}
