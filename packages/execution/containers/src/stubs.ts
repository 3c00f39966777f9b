import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { at, bytesOf, cleanName, type Rooted, timeOf } from '@pipelayer/rootfs'
import { AT_FDCWD, lchownat, utimensat } from '@pipelayer/sys'

export interface MountPoint {
  /** The path in the container. */
  readonly target: string
  readonly kind: 'dir' | 'file'
  /** Permission bits of a directory that is made; 0755 unless said. */
  readonly mode?: number
}

interface Stub {
  readonly real: string
  readonly kind: 'dir' | 'file'
  /** The symlink of the image that the mount point replaces. */
  readonly link?: SetAside
}

interface SetAside {
  readonly text: Buffer
  readonly stat: fs.BigIntStats
}

/**
 * The mount points that an image lacks. They are made before a step and removed after it, and the times of their parent
 * directories are restored, so that no layer shows them. Their names are resolved inside the root, as the runtime
 * resolves them.
 */
export class Stubs {
  readonly #root: Rooted
  readonly #made: Stub[] = []

  constructor(root: Rooted) {
    this.#root = root
  }

  /** Makes a mount point if it is missing, and returns its real path. */
  add(point: MountPoint): string {
    const real = this.#root.resolve(cleanName(point.target))
    this.#make(real, point.kind, point.mode)
    return real
  }

  /**
   * Makes sure that a mount point that every container has is a directory of the root itself. Runtimes write there
   * before they change the root: if it is an absolute symlink, runc 1.1 makes and removes files in that folder of the
   * host.
   *
   * @param name - one component, such as `dev`; a symlink of that name is restored by {@link remove}
   * @returns the target of that symlink
   * @throws {ToolError} `MOUNT_POINT_INVALID` if the name belongs to something else: build the image without it
   */
  addStandard(name: string): string | undefined {
    const stat = this.#root.lstat(name)
    if (stat?.isDirectory()) return undefined
    if (stat !== undefined && !stat.isSymbolicLink())
      throw new ToolError(
        'MOUNT_POINT_INVALID',
        `"/${name}" of the image is no directory, and a container has a mount there`,
      )
    if (stat === undefined) {
      this.#make(name, 'dir')
      return undefined
    }
    const place = at(this.#root.fd, name)
    const text = fs.readlinkSync(place, 'buffer')
    keepingTimes(at(this.#root.fd), () => {
      fs.unlinkSync(place)
      fs.mkdirSync(place, 0o755)
    })
    this.#made.push({ real: name, kind: 'dir', link: { text, stat } })
    return text.toString()
  }

  /**
   * Removes the mount points that were made, if they are still empty: files that the step put there belong to the step.
   * No symlink is followed: the step may have replaced a directory by a symlink to the host (CVE-2024-23652).
   */
  remove(): void {
    for (const stub of this.#made.reverse()) this.#drop(stub)
    this.#made.length = 0
  }

  #make(real: string, kind: 'dir' | 'file', mode = 0o755): void {
    if (real === '' || this.#root.lstat(real)) return
    const { parent, name } = split(real)
    this.#make(parent, 'dir')
    const fd = this.#root.openDir(parent)
    try {
      keepingTimes(at(fd), () => {
        if (kind === 'dir') {
          fs.mkdirSync(at(fd, name), 0o700)
          fs.chmodSync(at(fd, name), mode)
        } else fs.writeFileSync(at(fd, name), '', { flag: 'wx', mode: 0o644 })
      })
    } finally {
      fs.closeSync(fd)
    }
    this.#made.push({ real, kind })
  }

  #drop({ real, kind, link }: Stub): void {
    const { parent, name } = split(real)
    const fd = this.#openIfThere(parent)
    if (fd === undefined) return
    try {
      const place = at(fd, name)
      const stat = fs.lstatSync(place, { throwIfNoEntry: false })
      if (kind === 'dir' && stat?.isDirectory())
        keepingTimes(at(fd), () => {
          if (removeIfEmpty(place) && link !== undefined) putBack(fd, name, link)
        })
      else if (kind === 'file' && stat?.isFile() && stat.size === 0)
        keepingTimes(at(fd), () => fs.unlinkSync(place))
    } finally {
      fs.closeSync(fd)
    }
  }

  #openIfThere(dir: string): number | undefined {
    try {
      return this.#root.openDir(dir)
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'].includes(errnoOf(error) ?? '')) return undefined
      throw error
    }
  }
}

function split(real: string): { readonly parent: string; readonly name: string } {
  const slash = real.lastIndexOf('/')
  return { parent: real.slice(0, Math.max(0, slash)), name: real.slice(slash + 1) }
}

function removeIfEmpty(dir: Buffer): boolean {
  try {
    fs.rmdirSync(dir)
    return true
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY') throw error
    return false
  }
}

function putBack(fd: number, name: string, { text, stat }: SetAside): void {
  fs.symlinkSync(text, at(fd, name))
  lchownat(fd, bytesOf(name), { uid: Number(stat.uid), gid: Number(stat.gid) })
  utimensat(fd, bytesOf(name), timeOf(stat.mtimeNs), timeOf(stat.atimeNs))
}

function keepingTimes(dir: Buffer, work: () => void): void {
  const { mtimeNs, atimeNs } = fs.statSync(dir, { bigint: true })
  work()
  utimensat(AT_FDCWD, dir, timeOf(mtimeNs), timeOf(atimeNs))
}
