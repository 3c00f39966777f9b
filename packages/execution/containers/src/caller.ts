/**
 * Finds out as which user a build works, which decides how its trees are made and who can read them.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { userInfo } from 'node:os'
import type { IdMap } from '@pipelayer/records'
import { isWholeMap, ownIdMap } from '@pipelayer/rootfs'
import { lgetxattr } from '@pipelayer/sys'
import { findProgram } from './find-program.js'
import { type IdRange, mapOf, parseSubIDs } from './id-map.js'

/** The user that a build works as. */
export type Caller =
  /** Root of the machine. */
  | { readonly kind: 'root' }
  /** Root of a user namespace that another program made, with the id map of that namespace. */
  | { readonly kind: 'inside'; readonly idMap: IdMap }
  /** An ordinary user. The build makes a user namespace for itself. */
  | {
      readonly kind: 'user'
      readonly idMap: IdMap
      /** Why only the user's own id is mapped. */
      readonly problem?: string
    }

/** Finds out which kind of caller this process has. */
export function callerOf(env: { readonly PATH?: string | undefined }): Caller {
  const here = ownIdMap()
  const uid = process.geteuid?.() ?? 0
  if (uid === 0) return isWholeMap(here) ? { kind: 'root' } : { kind: 'inside', idMap: here }
  const gid = process.getegid?.() ?? 0
  const single = { uid: [[0, uid, 1]], gid: [[0, gid, 1]] } as const
  const user = { id: uid, name: nameOfUser() }
  const idMap = {
    uid: mapOf(uid, rangesIn('/etc/subuid', user), here.uid),
    gid: mapOf(gid, rangesIn('/etc/subgid', user), here.gid),
  }
  const problem = problemOf(idMap, { who: user.name ?? String(uid), searchPath: env.PATH })
  return problem === undefined ? { kind: 'user', idMap } : { kind: 'user', idMap: single, problem }
}

/** The name of the form in which a caller's trees are kept: `root`, or `user-HASH` of the id map. */
export function formOf(caller: Caller): string {
  if (caller.kind === 'root') return 'root'
  return `user-${createHash('sha256').update(JSON.stringify(caller.idMap)).digest('hex').slice(0, 16)}`
}

function nameOfUser(): string | undefined {
  try {
    return userInfo().username
  } catch {
    // The user has a number and no name: containers start processes of such users.
    return undefined
  }
}

function rangesIn(file: string, user: Parameters<typeof parseSubIDs>[1]): IdRange[] {
  return fs.existsSync(file) ? parseSubIDs(fs.readFileSync(file, 'utf8'), user) : []
}

function problemOf(
  { uid, gid }: IdMap,
  { who, searchPath }: { readonly who: string; readonly searchPath: string | undefined },
): string | undefined {
  for (const [rows, file] of [
    [uid, '/etc/subuid'],
    [gid, '/etc/subgid'],
  ] as const)
    if (rows.length < 2) return `${file} has no range of ids for ${who}`
  if (/^NoNewPrivs:\s*1$/m.test(fs.readFileSync('/proc/self/status', 'utf8')))
    return 'new privileges are not allowed here (no_new_privs), so newuidmap has none'
  for (const name of ['newuidmap', 'newgidmap']) {
    const program = findProgram(name, searchPath)
    if (program === undefined) return `${name} is not installed`
    if (!isPrivileged(program)) return `${program} is neither setuid root nor has capabilities`
  }
  return undefined
}

// If the owner of a program is not mapped here, it belongs to root of the machine, and its setuid bit gives no rights
// in our namespace.
function isPrivileged(program: string): boolean {
  const { mode, uid } = fs.statSync(program)
  if ((mode & 0o4000) !== 0) return uid === 0
  return lgetxattr(fs.realpathSync(program), 'security.capability') !== undefined
}
