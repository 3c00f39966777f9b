import fs from 'node:fs'
import { errnoOf } from '@pipelayer/errors'
import { AT_FDCWD, utimensat } from '@pipelayer/sys'
import { timeSpec } from './file-meta.js'
import { at, cleanName, type Rooted } from './rooted.js'

export interface MountPoint {
  /** As the container names it. */
  readonly target: string
  readonly kind: 'dir' | 'file'
}

interface Stub {
  readonly real: string
  readonly kind: 'dir' | 'file'
}

/**
 * Mount points that an image lacks: made before a step and taken away after it, with the times of the directories
 * they lie in, so that no layer shows them. Resolved inside the root, as the runtime does too.
 */
export class Stubs {
  readonly #root: Rooted
  readonly #made: Stub[] = []

  constructor(root: Rooted) {
    this.#root = root
  }

  /** Makes sure that a mount point is there. Returns where it really is. */
  add(point: MountPoint): string {
    const real = this.#root.resolve(cleanName(point.target))
    this.#make(real, point.kind)
    return real
  }

  /**
   * Takes away what was made, and only while it is empty: what the step put there is the step's. Nothing is followed on
   * the way: the step may have left a symlink to the host where a directory was (CVE-2024-23652).
   */
  remove(): void {
    for (const stub of this.#made.reverse()) this.#drop(stub)
    this.#made.length = 0
  }

  #make(real: string, kind: 'dir' | 'file'): void {
    if (real === '' || this.#root.lstat(real)) return
    const { parent, name } = split(real)
    this.#make(parent, 'dir')
    const fd = this.#root.openDir(parent)
    try {
      keepingTimes(at(fd), () => {
        if (kind === 'dir') fs.mkdirSync(at(fd, name), 0o755)
        else fs.writeFileSync(at(fd, name), '', { flag: 'wx', mode: 0o644 })
      })
    } finally {
      fs.closeSync(fd)
    }
    this.#made.push({ real, kind })
  }

  #drop({ real, kind }: Stub): void {
    const { parent, name } = split(real)
    const fd = this.#openIfThere(parent)
    if (fd === undefined) return
    try {
      const place = at(fd, name)
      const stat = fs.lstatSync(place, { throwIfNoEntry: false })
      if (kind === 'dir' && stat?.isDirectory()) keepingTimes(at(fd), () => removeIfEmpty(place))
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

function removeIfEmpty(dir: Buffer): void {
  try {
    fs.rmdirSync(dir)
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY') throw error
  }
}

function keepingTimes(dir: Buffer, work: () => void): void {
  const { mtimeNs, atimeNs } = fs.statSync(dir, { bigint: true })
  work()
  utimensat(AT_FDCWD, dir, timeSpec(mtimeNs), timeSpec(atimeNs))
}
