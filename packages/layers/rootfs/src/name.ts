/**
 * Names of files, as binary strings: one char for each byte, so that names that are not UTF-8 survive and `<` is
 * byte order. A path inside a tree has no leading slash; the root is `''`.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'

/** PATH_MAX. A longer name could be made, but no program could open it. */
export const MAX_NAME_BYTES = 4096
/** A path of the caller, text, as a binary string. */
export function binaryOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The bytes of a binary string, for calls of node:fs. */
export function bytesOf(binary: string): Buffer {
  return Buffer.from(binary, 'latin1')
}

/** `dir/name`; the name alone where `dir` is the root. */
export function joined(dir: string, name: string): string {
  return dir === '' ? name : `${dir}/${name}`
}

/** A path in double quotes, for messages. Only the start of a very long path is shown. */
export function quoted(path: string): string {
  const text = showName(path)
  return text.length > 200 ? `"${text.slice(0, 200)}…"` : `"${text}"`
}

/** The error with its subject, such as `entry "a/b"`, before the message. Only a ToolError is changed. */
export function explained(error: unknown, subject: string): unknown {
  if (!(error instanceof ToolError)) return error
  return new ToolError(error.code, `${subject}: ${error.message}`, { cause: error, status: error.status })
}

/**
 * The components of a name in a tar, cleaned by its text alone: a leading `/` means the root, `.` and empty components
 * are dropped, and `..` removes the component before it. Symlinks do not count.
 *
 * @throws ToolError `PATH_ESCAPES` where a `..` leaves the root, or would by the rules of Windows, whose drives and
 *   backslashes no path of a Linux image begins with. Such an archive is hostile or broken: do not use it.
 */
export function componentsOf(name: string): string[] {
  const components: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') components.push(part)
    else if (components.pop() === undefined)
      throw new ToolError('PATH_ESCAPES', `entry ${quoted(name)} leaves the root`)
  }
  if (isWindowsEscape(components))
    throw new ToolError('PATH_ESCAPES', `entry ${quoted(name)} leaves the root on Windows`)
  return components
}

/** True for names such as `C:\x`, `\\host\x` and `a\..\..\x`, which leave the root only by the rules of Windows. */
function isWindowsEscape(components: readonly string[]): boolean {
  if (/^(?:[A-Za-z]:|\\)/.test(components[0] ?? '')) return true
  return components.some(part => part.includes('\\') && part.split('\\').includes('..'))
}
