/**
 * Mounts, for a process that was started in a mount namespace of its own: Node, which has threads, cannot enter one.
 *
 * @module
 */
import fs from 'node:fs'
import { AT_FDCWD } from './at.js'
import { checked } from './failure.js'
import { libc } from './libc.js'
import { cPath, type Path } from './path.js'

/** Flags of mount(2). */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  NOATIME: 1024,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
} as const

/** For umount2: also when busy, detached now and freed later. */
export const MNT_DETACH = 2
/** For umount2: fails if the target is a symlink. */
export const UMOUNT_NOFOLLOW = 8

export interface MountOptions {
  /** Sum of {@link MS}. */
  readonly flags?: number
  /** At most one page: longer lists of overlay lowers go through {@link mountNew}. */
  readonly data?: Path
}

/** mount(2). `type` is null for bind mounts and changes of propagation. */
export function mount(source: Path, target: Path, type: string | null, options: MountOptions = {}): void {
  const data = options.data === undefined ? null : cPath(options.data)
  const name = type === null ? null : cPath(type)
  checked(libc('mount')(cPath(source), cPath(target), name, options.flags ?? 0, data), 'mount', target)
}

/** umount2(2). */
export function umount2(target: Path, flags = 0): void {
  checked(libc('umount2')(cPath(target), flags), 'umount2', target)
}

/** The same numbers on every architecture. */
const SYS = { move_mount: 429, fsopen: 430, fsconfig: 431, fsmount: 432 } as const
const FSCONFIG_SET_FLAG = 0
const FSCONFIG_SET_STRING = 1
const FSCONFIG_CMD_CREATE = 6
const MOVE_MOUNT_F_EMPTY_PATH = 4
const CLOEXEC = 1
const POINTER = 'const void *'

/** A file system that {@link mountNew} mounts. */
export interface NewMount {
  readonly type: string
  /** In order; a value of `true` is a flag. Repeat a name (overlay's `lowerdir+`) for a list without length limit. */
  readonly parameters: readonly (readonly [name: string, value: Path | true])[]
}

/**
 * Mounts by fsopen, fsconfig, fsmount and move_mount, where no option string has to fit into a page.
 * ENOSYS before Linux 5.2; overlay's `lowerdir+` needs 6.8 (EINVAL).
 */
export function mountNew(wanted: NewMount, target: Path): void {
  const context = call('fsopen', target, [POINTER, cPath(wanted.type), 'int', CLOEXEC])
  try {
    for (const [name, value] of wanted.parameters) configure(context, target, [name, value])
    call('fsconfig', target, [
      'int',
      context,
      'int',
      FSCONFIG_CMD_CREATE,
      POINTER,
      null,
      POINTER,
      null,
      'int',
      0,
    ])
    const tree = call('fsmount', target, ['int', context, 'int', CLOEXEC, 'int', 0])
    try {
      const empty = cPath('')
      const to = [POINTER, cPath(target), 'int', MOVE_MOUNT_F_EMPTY_PATH] as const
      call('move_mount', target, ['int', tree, POINTER, empty, 'int', AT_FDCWD, ...to])
    } finally {
      fs.closeSync(tree)
    }
  } finally {
    fs.closeSync(context)
  }
}

function configure(context: number, target: Path, [name, value]: readonly [string, Path | true]): void {
  const command = value === true ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING
  const text = value === true ? null : cPath(value)
  call('fsconfig', target, ['int', context, 'int', command, POINTER, cPath(name), POINTER, text, 'int', 0])
}

function call(
  name: keyof typeof SYS,
  target: Path,
  args: readonly (number | string | Buffer | null)[],
): number {
  return checked(libc('syscall')(SYS[name], ...args), name, target)
}
