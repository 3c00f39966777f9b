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

  /** Takes away what was made, and only while it is empty: what the step put there is the step's. */
  remove(): void {
    for (const stub of this.#made.reverse()) keepingTimes(this.#parent(stub.real), () => this.#drop(stub))
    this.#made.length = 0
  }

  #make(real: string, kind: 'dir' | 'file'): void {
    if (real === '' || this.#root.lstat(real)) return
    const slash = real.lastIndexOf('/')
    this.#make(real.slice(0, Math.max(0, slash)), 'dir')
    keepingTimes(this.#parent(real), () => {
      const place = at(this.#root.fd, real)
      if (kind === 'dir') fs.mkdirSync(place, 0o755)
      else fs.writeFileSync(place, '', { flag: 'wx', mode: 0o644 })
    })
    this.#made.push({ real, kind })
  }

  #drop({ real, kind }: Stub): void {
    const stat = this.#root.lstat(real)
    const place = at(this.#root.fd, real)
    try {
      if (kind === 'dir' && stat?.isDirectory()) fs.rmdirSync(place)
      else if (kind === 'file' && stat?.isFile() && stat.size === 0n) fs.unlinkSync(place)
    } catch (error) {
      if (errnoOf(error) !== 'ENOTEMPTY') throw error
    }
  }

  #parent(real: string): Buffer {
    return at(this.#root.fd, real.slice(0, Math.max(0, real.lastIndexOf('/'))) || '.')
  }
}

function keepingTimes(dir: Buffer, work: () => void): void {
  const { mtimeNs, atimeNs } = fs.statSync(dir, { bigint: true })
  work()
  utimensat(AT_FDCWD, dir, timeSpec(mtimeNs), timeSpec(atimeNs))
}
