/**
 * Finds the places of a step's mounts in the root of its image, and the order in which they are made.
 *
 * @module
 */

import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'
import { binaryOf, cleanName, Rooted } from '@pipelayer/rootfs'
import { type Mount, STANDARD_MOUNTS } from './runtime-spec.js'
import { Stubs } from './stubs.js'

/** Permission bits of a tmpfs at a place that the image lacks: every user may write there, as with BuildKit. */
const OPEN_TO_ALL = 0o1777

/**
 * Replaces symlinks at the mount points that every container has (such as `dev`) by directories, permanently: a runtime
 * may write to the path of the host that such a symlink names. A mount point that is missing is left to the runtime.
 *
 * @param onReplaced - is called for each symlink with its name, such as `dev`, and its target
 * @throws {ToolError} `MOUNT_POINT_INVALID` if the name belongs to neither a directory nor a symlink
 */
export function replaceMountPoints(rootfs: string, onReplaced: (name: string, target: string) => void): void {
  const root = Rooted.open(rootfs)
  try {
    const stubs = new Stubs(root)
    for (const name of STANDARD_MOUNTS.map(target => target.slice(1))) {
      if (root.lstat(name) === undefined) continue
      const target = attempt(`replace "${name}" in "${rootfs}"`, () => stubs.addStandard(name))
      if (target !== undefined) onReplaced(name, target)
    }
  } finally {
    root.close()
  }
}

/**
 * Returns the mounts with real names as destinations, and makes the mount points that the image lacks. Parents come
 * first, so that no mount hides another below it. If two mounts have the same place, the one that was written later is
 * seen.
 *
 * @throws {ToolError} `MOUNT_INVALID` if one would cover the whole container, its devices or its processes
 */
export function placeMounts(mounts: readonly Mount[], root: Rooted, stubs: Stubs): Mount[] {
  const found = mounts.map(mount => ({ ...mount, destination: realPlace(mount, root) }))
  return found.sort(byDestination).map(mount => makePlace(mount, root, stubs))
}

// The container gets a tmpfs at /dev, where the runtime makes mount points. Elsewhere the image needs the mount point.
function isDevice({ destination }: Mount): boolean {
  return destination.startsWith('/dev/')
}

function realPlace(mount: Mount, root: Rooted): string {
  if (isDevice(mount)) return mount.destination
  const real = root.resolve(cleanName(binaryOf(mount.destination)))
  if (real === '' || real === 'dev' || real === 'proc')
    throw new ToolError('MOUNT_INVALID', `"${mount.destination}" cannot be a target: it is "/${real}"`)
  return `/${Buffer.from(real, 'latin1').toString()}`
}

function byDestination(a: Mount, b: Mount): number {
  if (a.destination === b.destination) return 0
  return a.destination < b.destination ? -1 : 1
}

function makePlace(mount: Mount, root: Rooted, stubs: Stubs): Mount {
  if (isDevice(mount)) return withMode(mount, OPEN_TO_ALL)
  const target = binaryOf(mount.destination)
  if (mount.type !== 'tmpfs') {
    stubs.add({ target, kind: fs.statSync(mount.source).isDirectory() ? 'dir' : 'file' })
    return mount
  }
  const stat = root.lstat(cleanName(target))
  const mode = stat?.isDirectory() ? Number(stat.mode & 0o7777n) : OPEN_TO_ALL
  // runc 1.1 gives a tmpfs the mode of the directory that it covers; other runtimes use the mode in its options.
  stubs.add({ target, kind: 'dir', mode })
  return withMode(mount, mode)
}

function withMode(mount: Mount, mode: number): Mount {
  if (mount.type !== 'tmpfs') return mount
  return { ...mount, options: [...mount.options, `mode=${mode.toString(8)}`] }
}
