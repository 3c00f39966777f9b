import fs from 'node:fs'
import path from 'node:path'

/**
 * The full name of a program. It is looked up in the search path, as a shell does, and in the folders of
 * administrators' programs.
 */
export function findProgram(name: string, searchPath: string | undefined): string | undefined {
  const dirs = [...(searchPath ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
  return dirs
    .filter(dir => dir.startsWith('/'))
    .map(dir => path.join(dir, name))
    .find(file => isExecutable(file))
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}
