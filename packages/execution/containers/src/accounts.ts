import { ToolError } from '@pipelayer/errors'
import type { Rooted } from '@pipelayer/rootfs'
import { type Accounts, MAX_ACCOUNTS_BYTES } from './users.js'

/**
 * The texts of the user and group files of a tree. A directory in place of such a file counts as absent.
 *
 * @throws {ToolError} `ACCOUNTS_INVALID` if one is a pipe or a device: a runtime that opens it would wait, or read, for
 * ever; `FILE_TOO_LARGE`
 */
export function accountsIn(root: Rooted): Accounts {
  return { passwd: text(root, 'etc/passwd'), group: text(root, 'etc/group') }
}

function text(root: Rooted, name: string): string {
  const stat = root.lstat(root.resolve(name))
  if (stat !== undefined && !stat.isFile() && !stat.isDirectory())
    throw new ToolError('ACCOUNTS_INVALID', `"/${name}" of the image is no file`)
  return root.readFile(name, MAX_ACCOUNTS_BYTES)?.toString('utf8') ?? ''
}
