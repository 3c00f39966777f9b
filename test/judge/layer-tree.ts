/**
 * Trees of the layer tables: the operations that make them, and the checks on them.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { lgetxattr, lsetxattr, makedev, mknod, utimensat } from '@pipelayer/sys'

/** A time, a file name or a value of a row: JSON of many shapes. */
// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
export type Json = any

interface Time {
  readonly unix: number
  readonly ns: number
}

/** Runs `work` in a folder four levels below a new one, so that a faulty unpacker does no harm. */
export async function inThrowAway<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const top = fs.mkdtempSync(path.join(os.tmpdir(), 'judge-layer-'))
  const dir = path.join(top, 'a/b/c/parent')
  fs.mkdirSync(dir, { recursive: true })
  try {
    return await work(dir)
  } finally {
    spawnSync('rm', ['-rf', top])
  }
}

/** Runs file system operations inside `root`. `a` is the tree that "cp -a of a" copies from. */
export function runOps(root: string, ops: readonly Json[], a?: string): void {
  for (const op of ops) {
    const run = OPS[op.op as string]
    if (run === undefined) throw new Error(`unknown operation ${op.op}`)
    run(inside(root, op.path ?? op.to ?? '.'), op, root, a)
  }
}

type Op = (target: string, op: Json, root: string, a?: string) => void

const OPS: Readonly<Record<string, Op>> = {
  mkdir: (target, { mode }) => {
    fs.mkdirSync(target, { recursive: true })
    fs.chmodSync(target, Number.parseInt(mode ?? '0755', 8))
  },
  write: (target, { content, mode }) => {
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.writeFileSync(target, bytes(content ?? ''))
    fs.chmodSync(target, Number.parseInt(mode ?? '0644', 8))
  },
  symlink: (target, op) => fs.symlinkSync(op.target, target),
  link: (target, { from }, root) => fs.linkSync(inside(root, from), target),
  rm: target => fs.unlinkSync(target),
  rmrf: target => fs.rmSync(target, { recursive: true, force: true }),
  rename: (_, op, root) =>
    fs.renameSync(inside(root, op.from ?? op.a ?? op.path), inside(root, op.to ?? op.b ?? op.path)),
  chmod: (target, { mode }) => fs.chmodSync(target, Number.parseInt(mode, 8)),
  chown: (target, { uid, gid }) => fs.lchownSync(target, uid, gid),
  utimes: (target, op) => setTimes(target, op),
  lutimes: (target, op) => setTimes(target, op),
  socket: target => mknod(target, fs.constants.S_IFSOCK | 0o755),
  mknod: (target, { type, major, minor }) => {
    const bits =
      type === 'b' ? fs.constants.S_IFBLK : type === 'p' ? fs.constants.S_IFIFO : fs.constants.S_IFCHR
    mknod(target, bits | 0o600, makedev(Number(major ?? 0), Number(minor ?? 0)))
  },
  setxattr: (target, { name, value }) => lsetxattr(target, name, bytes(value)),
  'cp -a of a': (target, op, _root, a = '') => {
    fs.mkdirSync(path.dirname(target), { recursive: true })
    spawnSync('cp', ['-a', inside(a, op.path), target])
  },
}

function setTimes(target: string, { atime, mtime }: { atime?: Time; mtime: Time }): void {
  const spec = ({ unix, ns }: Time): { seconds: number; nanoseconds: number } => ({
    seconds: unix,
    nanoseconds: ns,
  })
  utimensat(-100, target, spec(mtime), spec(atime ?? mtime))
}

/** Text, or bytes that are not UTF-8 as `{hex}`. */
export function bytes(value: string | { hex: string }): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.hex, 'hex')
}

/** The path of `name` below `root`. Parents are resolved as if `root` were `/`; the last component is not resolved. */
export function inside(root: string, name: string): string {
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  const last = parts.pop()
  return last === undefined ? root : path.join(resolveInside(root, parts.join('/')), last)
}

/** Does the same as {@link inside}, and resolves the last component too. */
export function resolveInside(root: string, name: string, links = 0): string {
  if (links > 40) throw new Error(`too many symlinks in ${name}`)
  let at = root
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    if (part === '..') at = at === root ? root : path.dirname(at)
    else {
      const next = path.join(at, part)
      if (!fs.lstatSync(next, { throwIfNoEntry: false })?.isSymbolicLink()) at = next
      else {
        const target = fs.readlinkSync(next)
        const base = target.startsWith('/') ? '' : path.relative(root, at)
        return resolveInside(root, [base, target, ...parts].join('/'), links + 1)
      }
    }
  }
  return at
}

/** The first check that fails; undefined if every check holds. */
export function failedCheck(root: string, checks: readonly Json[]): string | undefined {
  for (const check of checks) {
    const holds = CHECKS[check.check as string]
    if (holds === undefined) return `unknown check ${check.check}`
    try {
      if (!holds(root, check)) return `check failed: ${JSON.stringify(check)}`
    } catch (error) {
      return `check ${JSON.stringify(check)}: ${error instanceof Error ? error.message : error}`
    }
  }
  return undefined
}

const CHECKS: Readonly<Record<string, (root: string, check: Json) => boolean>> = {
  content: (root, c) => fs.readFileSync(resolveInside(root, c.path)).equals(bytes(c.content)),
  absent: (root, c) => fs.lstatSync(inside(root, c.path), { throwIfNoEntry: false }) === undefined,
  dirs: (root, c) => directories(c).every(([name, mode]) => isDirectory(resolveInside(root, name), mode)),
  'same-inode': (root, c) => inode(resolveInside(root, c.a)) === inode(resolveInside(root, c.b)),
  'different-inode': (root, c) => inode(resolveInside(root, c.a)) !== inode(resolveInside(root, c.b)),
  'lstat-same-inode': (root, c) => inode(inside(root, c.a)) === inode(inside(root, c.b)),
  'lstat-different-inode': (root, c) => inode(inside(root, c.a)) !== inode(inside(root, c.b)),
  'same-readlink': (root, c) => fs.readlinkSync(inside(root, c.a)) === fs.readlinkSync(inside(root, c.b)),
  mtime: (root, c) =>
    fs.lstatSync(inside(root, c.path), { bigint: true }).mtimeNs ===
    BigInt(c.mtime.unix) * 1_000_000_000n + BigInt(c.mtime.ns),
  owner: (root, c) => {
    const { uid, gid } = fs.lstatSync(inside(root, c.path))
    return uid === c.uid && gid === c.gid
  },
  xattr: (root, c) => lgetxattr(inside(root, c.path), c.name)?.equals(bytes(c.value)) === true,
  'overlay-whiteout': (root, c) => {
    const stat = fs.lstatSync(inside(root, c.path))
    return stat.isCharacterDevice() && stat.rdev === 0
  },
  'overlay-opaque': (root, c) =>
    lgetxattr(inside(root, c.path), `${c.namespace}overlay.opaque`)?.toString() === 'y',
}

function directories(check: Json): [string, string | undefined][] {
  const list: Json[] = check.dirs ?? check.paths ?? [check]
  return list.map(item =>
    typeof item === 'string' ? [item, undefined] : [item.path ?? item[0], item.mode ?? item[1]],
  )
}

function isDirectory(file: string, mode: string | undefined): boolean {
  const stat = fs.lstatSync(file)
  return stat.isDirectory() && (mode === undefined || (stat.mode & 0o7777) === Number.parseInt(mode, 8))
}

function inode(file: string): bigint {
  return fs.lstatSync(file, { bigint: true }).ino
}

/** Every path below `root`, sorted; directories end in a slash. */
export function walk(root: string, below = ''): string[] {
  const found: string[] = []
  for (const entry of fs.readdirSync(path.join(root, below), { withFileTypes: true })) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`
    found.push(entry.isDirectory() ? `${name}/` : name)
    if (entry.isDirectory()) found.push(...walk(root, name))
  }
  return found.sort()
}

export function sha256(data: Buffer): string {
  return crypto.createHash('sha256').update(data).digest('hex')
}
