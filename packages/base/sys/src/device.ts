/**
 * Devices, fifos and their numbers.
 *
 * @module
 */
import { AT_FDCWD } from './at.js'
import { checked } from './failure.js'
import { libc } from './libc.js'
import { cPath, type Path } from './path.js'

/** Makes a device or a FIFO. `mode` holds the type (fs.constants.S_IFCHR, S_IFBLK, S_IFIFO) and is cut by the umask. */
export function mknod(path: Path, mode: number, rdev: bigint | number = 0): void {
  mknodat(AT_FDCWD, path, { mode, rdev })
}

export function mknodat(
  dirfd: number,
  path: Path,
  node: { readonly mode: number; readonly rdev?: bigint | number },
): void {
  checked(libc('mknodat')(dirfd, cPath(path), node.mode, node.rdev ?? 0), 'mknodat', path)
}

/**
 * The number of a device as st_rdev has it: the layout of glibc and of node's Stats.
 *
 * bits 63-44 major 31-12 | 43-20 minor 31-8 | 19-8 major 11-0 | 7-0 minor 7-0
 */
export function makedev(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)]
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn)
}

export function majorOf(rdev: bigint | number): number {
  const value = BigInt(rdev)
  return Number(((value >> 32n) & 0xfffff000n) | ((value >> 8n) & 0xfffn))
}

export function minorOf(rdev: bigint | number): number {
  const value = BigInt(rdev)
  return Number(((value >> 12n) & 0xffffff00n) | (value & 0xffn))
}
