import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/**
 * Says whether a test has what it needs: false to run it, else the reason to skip it, as tap's `skip` takes it.
 * In CI (`CI=true`) nothing may be missing, so there it throws.
 *
 * @param things names of programs on PATH, or `root`
 */
export function need(...things: readonly string[]): false | string {
  const missing = things.filter(thing => !isPresent(thing))
  if (missing.length === 0) return false
  const reason = `needs ${missing.join(', ')} (scripts/bootstrap installs the programs)`
  if (process.env.CI === 'true') throw new Error(`in CI this test must run, but it ${reason}`)
  return reason
}

function isPresent(thing: string): boolean {
  if (thing === 'root') return process.getuid?.() === 0
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some(folder => isExecutable(path.join(folder, thing)))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
