import fs from 'node:fs'
import path from 'node:path'
import { errnoOf } from '@pipelayer/errors'

/**
 * Makes a folder, and those above it that are missing. Where it cannot be made because the disk is read-only or full,
 * Node's own call says that there is no such folder (ENOENT); this one throws the true error.
 *
 * @param mode - of each folder that is made
 */
export function makeFolder(folder: string, mode: number): void {
  const make = (): void => void fs.mkdirSync(folder, { recursive: true, mode })
  try {
    make()
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    makeOne(firstMissing(folder), mode, error)
    make()
  }
}

/** Makes the folder that could not be made before, for the error. If another program made it meanwhile, throws `before`. */
function makeOne(folder: string, mode: number, before: unknown): void {
  try {
    fs.mkdirSync(folder, { mode })
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? before : error
  }
}

function firstMissing(folder: string): string {
  const parent = path.dirname(folder)
  return parent === folder || fs.existsSync(parent) ? folder : firstMissing(parent)
}
