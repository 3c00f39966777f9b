import { ToolError } from '@pipelayer/errors'

/** The user and groups of a process, or the owner of a file. */
export interface Identity {
  readonly uid: number
  readonly gid: number
  /**
   * All groups, including the first one: without it, files that are forbidden to that group would be open to the
   * process.
   */
  readonly groups: readonly number[]
  /** From passwd; `/` where it has no such user. */
  readonly home: string
}

/** The texts of the image's /etc/passwd and /etc/group; empty where it has none. */
export interface Accounts {
  readonly passwd: string
  readonly group: string
}

/** A larger passwd file is an attack on memory, not a list of users. */
export const MAX_ACCOUNTS_BYTES = 4 * 1024 * 1024

/** Ids fit into the kernel's signed 32 bits; a larger one would wrap to another user. */
const MAX_ID = 0x7fff_ffff

interface Owner {
  readonly uid: number
  readonly gid: number
}

interface PasswdEntry {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

interface GroupEntry {
  readonly name: string
  readonly gid: number
  readonly members: readonly string[]
}

/**
 * The user and groups that a process gets for `user[:group]` in an image. Names win over numbers, as a user may have a
 * number as name. A number without entry is taken as it is, with group 0. An empty text stands for root.
 *
 * ```ts
 * const accounts = { passwd: 'app:x:1000:1000::/home/app:/bin/sh', group: 'app:x:1000:\nlog:x:4:app' }
 * processIdentity('app', accounts) // { uid: 1000, gid: 1000, groups: [4, 1000], home: '/home/app' }
 * ```
 *
 * @throws {ToolError} `USER_UNKNOWN`, `USER_INVALID`
 */
export function processIdentity(spec: string, accounts: Accounts): Identity {
  const [userPart = '', groupPart = ''] = spec.split(':', 2)
  const user = findUser(userPart === '' ? '0' : userPart, accounts)
  const groups = parseGroup(accounts.group)
  const home = user.entry?.home || '/'
  if (groupPart !== '') {
    const gid = groupID(groupPart, groups)
    return { uid: user.uid, gid, groups: [gid], home }
  }
  const name = user.entry?.name
  const gid = user.entry?.gid ?? 0
  const extra = name === undefined ? [] : groups.filter(g => g.members.includes(name)).map(g => g.gid)
  return { uid: user.uid, gid, groups: [...new Set([gid, ...extra])].sort((a, b) => a - b), home }
}

/**
 * The owner that `--chown=user[:group]` stands for, as BuildKit finds it. A number alone stands for user and group. A
 * name alone stands for the user and its group. A colon without text behind it stands for group 0. An unknown user
 * becomes root, an unknown group becomes the user's own group, and `onUnknown` is called with the reason. A number that
 * is too large for an id is taken as a name.
 */
export function ownerIdentity(
  spec: string,
  accounts: Accounts,
  onUnknown: (why: string) => void,
): { readonly uid: number; readonly gid: number } {
  const colon = spec.indexOf(':')
  const user = ownerUser(colon < 0 ? spec : spec.slice(0, colon), accounts, onUnknown)
  if (colon < 0) return user
  const group = spec.slice(colon + 1)
  if (group === '') return { uid: user.uid, gid: 0 }
  const gid = ownerID(group) ?? parseGroup(accounts.group).find(({ name }) => name === group)?.gid
  if (gid === undefined)
    onUnknown(`group ${JSON.stringify(group)} is not in the image's /etc/group: ${user.gid} is taken`)
  return { uid: user.uid, gid: gid ?? user.gid }
}

function ownerUser(text: string, accounts: Accounts, onUnknown: (why: string) => void): Owner {
  const id = text === '' ? 0 : ownerID(text)
  if (id !== undefined) return { uid: id, gid: id }
  const entry = parsePasswd(accounts.passwd).find(({ name }) => name === text)
  if (entry !== undefined) return { uid: entry.uid, gid: entry.gid }
  onUnknown(`user ${JSON.stringify(text)} is not in the image's /etc/passwd: root is taken`)
  return { uid: 0, gid: 0 }
}

function ownerID(text: string): number | undefined {
  if (text === 'root') return 0
  const id = /^\+?\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
  return id > MAX_ID ? undefined : id
}

function findUser(text: string, accounts: Accounts): { uid: number; entry?: PasswdEntry } {
  const users = parsePasswd(accounts.passwd)
  const byName = users.find(user => user.name === text)
  if (byName) return { uid: byName.uid, entry: byName }
  if (!/^\d+$/.test(text))
    throw new ToolError('USER_UNKNOWN', `user ${JSON.stringify(text)} is not in the image's /etc/passwd`)
  const uid = checkID(text)
  const entry = users.find(user => user.uid === uid)
  return entry ? { uid, entry } : { uid }
}

function groupID(text: string, groups: readonly GroupEntry[]): number {
  const byName = groups.find(group => group.name === text)
  if (byName) return byName.gid
  if (!/^\d+$/.test(text))
    throw new ToolError('USER_UNKNOWN', `group ${JSON.stringify(text)} is not in the image's /etc/group`)
  return checkID(text)
}

function checkID(text: string): number {
  const id = Number(text)
  if (id > MAX_ID) throw new ToolError('USER_INVALID', `user or group id ${text} is larger than ${MAX_ID}`)
  return id
}

// Lines that break the format of passwd(5), or whose ids are too large, are ignored.
function parsePasswd(text: string): PasswdEntry[] {
  return text.split('\n').flatMap(line => {
    const [name = '', , uid = '', gid = '', , home = ''] = line.split(':')
    return isID(uid) && isID(gid) && name !== '' ? [{ name, uid: Number(uid), gid: Number(gid), home }] : []
  })
}

function parseGroup(text: string): GroupEntry[] {
  return text.split('\n').flatMap(line => {
    const [name = '', , gid = '', members = ''] = line.split(':')
    return isID(gid) && name !== '' ? [{ name, gid: Number(gid), members: members.trim().split(',') }] : []
  })
}

function isID(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_ID
}
