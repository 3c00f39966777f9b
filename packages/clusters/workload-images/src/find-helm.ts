import fs from 'node:fs'
import path from 'node:path'

/**
 * The helm to run: the one named, else the first of `$PATH`; undefined for `none` and where there is none. Empty and relative
 * parts of `$PATH` are skipped: they would run what lies in the folder that is read.
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
