/**
 * Paths as C wants them.
 *
 * @module
 */

/** As in node:fs: a string is text and goes to the system as UTF-8; a Buffer carries the bytes of any name. */
export type Path = string | Buffer

/** The bytes of `path` with a NUL at their end. A NUL inside would cut the path short: EINVAL. */
export function cPath(path: Path): Buffer {
  const bytes = typeof path === 'string' ? Buffer.from(`${path}\0`) : ended(path)
  if (bytes.indexOf(0) !== bytes.length - 1) {
    throw Object.assign(new Error('EINVAL: a path must not contain a NUL byte'), { code: 'EINVAL' })
  }
  return bytes
}

function ended(path: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(path.length + 1)
  path.copy(bytes)
  bytes[path.length] = 0
  return bytes
}
