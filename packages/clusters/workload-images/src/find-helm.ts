import fs from 'node:fs'
import path from 'node:path'

/**
 * The helm program to run: the given one, or else the first in `$PATH`; undefined for `none`, and if there is none.
 * Empty and relative parts of `$PATH` are skipped, because they could lead to a program in the folder that is read.
 */
export function findHelm(
  named: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (named !== undefined) return named === 'none' ? undefined : path.resolve(named)
  const folders = (env.PATH ?? '').split(path.delimiter).filter(folder => path.isAbsolute(folder))
  return folders.map(folder => path.join(folder, 'helm')).find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}
