import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import type { ContextFile } from '@pipelayer/lint'
import { readRegular } from '@pipelayer/sys'

/** How large a file of the context may be that is looked at, in bytes, and how many are. */
const MAX_BYTES = 1024 * 1024
const MAX_FILES = 1000

/**
 * Finds the files that a source of COPY stands for, in the context or beside the file: a file, the files of a folder, or
 * those that a last part with `*` fits. Symlinks are not followed. Undefined where it is not known where the context
 * lies, as for records from another machine.
 */
export function contextFiles({
  file,
  context,
}: {
  readonly file?: string | undefined
  readonly context?: string | undefined
}): ((source: string) => readonly ContextFile[]) | undefined {
  const root = context ?? (file === undefined || file === '-' ? undefined : path.dirname(file))
  if (root === undefined) return undefined
  return source => {
    const name = path.posix.resolve('/', source).slice(1)
    return namesOf(root, name).flatMap(one => fileOf(root, one))
  }
}

function namesOf(root: string, name: string): readonly string[] {
  const folder = path.posix.dirname(name)
  const base = path.posix.basename(name)
  if (base.includes('*')) {
    const pattern = fitting(base)
    return entries(root, folder)
      .filter(one => pattern(one))
      .map(one => path.posix.join(folder, one))
  }
  const below = entries(root, name).map(one => path.posix.join(name, one))
  return below.length > 0 ? below : [name]
}

/** Whether a name has the parts between the stars of a pattern, in their order. */
function fitting(pattern: string): (name: string) => boolean {
  const parts = pattern.split('*')
  return name => {
    const [first = '', ...rest] = parts
    const last = rest.pop() ?? ''
    if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length)
      return false
    let at = first.length
    for (const part of rest) {
      const found = name.indexOf(part, at)
      if (found < 0 || found + part.length > name.length - last.length) return false
      at = found + part.length
    }
    return true
  }
}

function entries(root: string, folder: string): readonly string[] {
  try {
    return fs.readdirSync(path.join(root, folder)).sort().slice(0, MAX_FILES)
  } catch {
    // A file, or nothing: the build says what is missing.
    return []
  }
}

function fileOf(root: string, name: string): readonly ContextFile[] {
  if (!/\.ya?ml$/i.test(name)) return []
  try {
    return [
      { name, text: readRegular(path.join(root, name), MAX_BYTES, { noFollow: true }).toString('utf8') },
    ]
  } catch (error) {
    if (error instanceof ToolError || (error instanceof Error && 'code' in error)) return []
    throw error
  }
}
