import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, messageOf, systemError, ToolError } from '@pipelayer/errors'
import { MNT_DETACH, mount, umount2 } from '@pipelayer/sys'

/** An overlay to mount. Directories are absolute, lowers nearest first. */
export interface Overlay {
  readonly lowers: readonly string[]
  /** Without it the mount is read-only. */
  readonly upper?: string
  /** On the file system of the upper, empty. */
  readonly work?: string
}

/** The kernel's OVL_MAX_STACK. */
const MAX_LOWERS = 500

/**
 * Without the features that would leave marks in an upper that no layer can hold. `userxattr` takes no other word than
 * `nofollow` for redirects that are neither made nor followed.
 */
const OPTIONS = {
  trusted: 'redirect_dir=off,metacopy=off,index=off,xino=off',
  user: 'redirect_dir=nofollow,metacopy=off,index=off,xino=off,userxattr',
} as const

/**
 * Mounts overlays. Options must fit into a page and know escapes of their own, so directories go in as short names of
 * symlinks in a folder of ours, which is the working directory for that moment.
 */
export class OverlayMounter {
  readonly #folder: string
  readonly #empties: readonly string[]
  readonly #xattrs: 'trusted' | 'user'
  #count = 0

  /** @param folder - a directory for symlinks, removed with the work directory */
  constructor(folder: string, xattrs: 'trusted' | 'user') {
    this.#folder = folder
    this.#xattrs = xattrs
    // Two, because the kernel takes one directory twice for a loop.
    this.#empties = ['empty0', 'empty1'].map(name => path.join(folder, name))
    for (const dir of this.#empties) {
      fs.mkdirSync(dir, { recursive: true })
      fs.chmodSync(dir, 0o755)
    }
  }

  /** @throws {ToolError} `TOO_MANY_LAYERS`, or the system's error */
  mount(overlay: Overlay, target: string): void {
    if (overlay.lowers.length > MAX_LOWERS)
      throw new ToolError(
        'TOO_MANY_LAYERS',
        `${overlay.lowers.length} layers lie on each other, the kernel's limit is ${MAX_LOWERS}`,
      )
    const names = path.join(this.#folder, `m${this.#count++}`)
    fs.mkdirSync(names)
    const back = process.cwd()
    try {
      process.chdir(names)
      mount('overlay', target, 'overlay', { data: this.#data(overlay) })
    } catch (error) {
      throw systemError(error, `mount an overlay on "${target}"`)
    } finally {
      process.chdir(back)
    }
  }

  // Runs in the folder of names.
  #data(overlay: Overlay): string {
    // The kernel wants a lower, and two of them where nothing is written.
    const least = overlay.upper === undefined ? 2 : 1
    const lowers = [...overlay.lowers, ...this.#empties.slice(0, Math.max(0, least - overlay.lowers.length))]
    const names = lowers.map((dir, index) => linked(String(index), dir))
    const writing =
      overlay.upper === undefined || overlay.work === undefined
        ? ''
        : `,upperdir=${linked('u', overlay.upper)},workdir=${linked('w', overlay.work)}`
    return `lowerdir=${names.join(':')}${writing},${OPTIONS[this.#xattrs]}`
  }
}

/** Takes a mount away, also when somebody still has a file open in it. */
export function unmount(target: string): void {
  try {
    umount2(target, 0)
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw systemError(error, `unmount "${target}"`)
    umount2(target, MNT_DETACH)
  }
}

/** Why overlays cannot be mounted in `dir`; undefined when they can. Tries it: no list of file systems is complete. */
export function overlayProblem(mounter: OverlayMounter, dir: string): string | undefined {
  const [upper, work, target] = ['upper', 'work', 'merged'].map(name => path.join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [upper, work, target]) fs.mkdirSync(each, { recursive: true })
  try {
    mounter.mount({ lowers: [], upper, work }, target)
    try {
      fs.mkdirSync(path.join(target, 'probe'))
    } finally {
      unmount(target)
    }
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function linked(name: string, target: string): string {
  fs.symlinkSync(target, name)
  return name
}
