import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import { at, joined, Rooted, timeOf } from '@pipelayer/rootfs'
import { AT_FDCWD, lgetxattr, llistxattr, lremovexattr, lsetxattr, utimensat } from '@pipelayer/sys'

/** In an opaque directory fuse-overlayfs leaves a file and a whiteout beside the xattr. */
const MARKERS = ['.wh..wh..opq', '.wh..opq']
const OPAQUE = ['trusted.overlay.opaque', 'user.overlay.opaque', 'user.fuseoverlayfs.opaque']
const PRIVATE = 'user.fuseoverlayfs.'

/**
 * Mounts by fuse-overlayfs, which serves the mount from the background until it is unmounted, or until its pid
 * namespace ends. Names in `data` are relative to the folder `cwd`.
 *
 * @throws {ToolError} `FUSE_OVERLAY_FAILED`
 */
export function mountFuse(program: string, { data, target, cwd }: FuseMount): void {
  const { status, stderr, error } = spawnSync(program, ['-o', data, target], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  })
  if (status === 0) return
  const why = error?.message ?? stderr.trim().split('\n').at(-1) ?? ''
  throw new ToolError('FUSE_OVERLAY_FAILED', `cannot mount "${target}" by fuse-overlayfs: ${why}`)
}

interface FuseMount {
  readonly data: string
  /** Absolute. */
  readonly target: string
  readonly cwd: string
}

/** Rewrites an upper directory of fuse-overlayfs into the kernel's form, so that both can read it. */
export function tidyUpper(upper: string, xattrs: 'trusted' | 'user'): void {
  const root = Rooted.open(upper)
  try {
    tidy(root, '', `${xattrs}.overlay.opaque`)
  } finally {
    root.close()
  }
}

function tidy(root: Rooted, dir: string, opaque: string): void {
  const place = at(root.fd, dir)
  const isOpaque = OPAQUE.some(name => lgetxattr(place, name)?.toString('latin1') === 'y')
  dropPrivate(place)
  const { atimeNs, mtimeNs } = fs.statSync(place, { bigint: true })
  if (isOpaque) {
    for (const name of MARKERS) fs.rmSync(at(root.fd, joined(dir, name)), { force: true })
    lsetxattr(place, opaque, Buffer.from('y'))
  }
  for (const entry of fs.readdirSync(place, { encoding: 'latin1', withFileTypes: true })) {
    const name = joined(dir, entry.name)
    if (entry.isDirectory()) tidy(root, name, opaque)
    else if (entry.isFile()) dropPrivate(at(root.fd, name))
  }
  if (isOpaque) utimensat(AT_FDCWD, place, timeOf(mtimeNs), timeOf(atimeNs))
}

function dropPrivate(place: Buffer): void {
  for (const name of llistxattr(place)) if (name.startsWith(PRIVATE)) lremovexattr(place, name)
}
