import type { Rooted } from './rooted.js'
import { type Accounts, MAX_ACCOUNTS_BYTES } from './users.js'

/** The user and group files of a tree; what is no regular file counts as absent. */
export function accountsIn(root: Rooted): Accounts {
  return { passwd: text(root, 'etc/passwd'), group: text(root, 'etc/group') }
}

function text(root: Rooted, name: string): string {
  return root.readFile(name, MAX_ACCOUNTS_BYTES)?.toString('utf8') ?? ''
}
