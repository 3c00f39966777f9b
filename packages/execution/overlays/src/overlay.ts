import fs from 'node:fs'
import path from 'node:path'
import { findProgram, unmount } from '@pipelayer/containers'
import { attempt, messageOf, systemError, ToolError } from '@pipelayer/errors'
import type { OverlayName } from '@pipelayer/steps'
import { lgetxattr, mount } from '@pipelayer/sys'
import { mountFuse, tidyUpper } from './fuse-overlay.js'

/** An overlay to mount. Names of directories are absolute; the nearest lower comes first. */
export interface Overlay {
  readonly lowers: readonly string[]
  /** Without it the mount is read-only. */
  readonly upper?: string
  /** An empty directory on the file system of the upper. */
  readonly work?: string
  /**
   * The same directories by names that hold in the working directory. The kernel gets these where it can take them, so
   * that they are what `mount` shows.
   */
  readonly shown?: OverlayDirs
}

interface OverlayDirs {
  readonly lowers: readonly string[]
  readonly upper?: string
  readonly work?: string
}

/** The kernel's OVL_MAX_STACK. */
const MAX_LOWERS = 500
/** Mount options fit into a page of 4096 bytes; the other options take up to 100. */
const MAX_SHOWN_BYTES = 3900

/**
 * These options turn off the features that leave marks in an upper which no layer can hold. With `userxattr`,
 * `nofollow` is the only value by which redirects are neither made nor followed.
 */
const OPTIONS = {
  trusted: 'redirect_dir=off,metacopy=off,index=off,xino=off',
  user: 'redirect_dir=nofollow,metacopy=off,index=off,xino=off,userxattr',
} as const

/**
 * @param hint - what helps, for the message
 * @throws {ToolError} `TOO_MANY_LAYERS`
 */
export function checkCount(lowers: number, hint = ''): void {
  if (lowers > MAX_LOWERS)
    throw new ToolError(
      'TOO_MANY_LAYERS',
      `${lowers} layers lie on each other, the kernel's limit is ${MAX_LOWERS}${hint}`,
    )
}

/**
 * Mounts overlays. Mount options must fit into a memory page and have escapes of their own. So each directory is given
 * by the short name of a symlink in a folder of ours, which is the working directory during the mount.
 */
export class OverlayMounter {
  readonly #folder: string
  readonly #empties: readonly string[]
  readonly #xattrs: 'trusted' | 'user'
  /** The program fuse-overlayfs, if it is used in place of the kernel. */
  readonly #fuse: string | undefined
  #count = 0

  /** @param folder - a directory for symlinks; it is removed with the work directory */
  constructor(folder: string, xattrs: 'trusted' | 'user', fuse?: string) {
    this.#folder = folder
    this.#xattrs = xattrs
    this.#fuse = fuse
    // There are two empty directories, because the kernel refuses the same directory twice.
    this.#empties = ['empty0', 'empty1'].map(name => path.join(folder, name))
    for (const dir of this.#empties) {
      fs.mkdirSync(dir, { recursive: true })
      fs.chmodSync(dir, 0o755)
    }
  }

  /** @throws {ToolError} `TOO_MANY_LAYERS`, or the system's error */
  mount(overlay: Overlay, target: string): void {
    checkCount(overlay.lowers.length)
    const shown = this.#shownData(overlay)
    if (shown !== undefined) {
      attempt(`mount an overlay on "${target}"`, () =>
        mount('overlay', target, 'overlay', { data: `${shown},${OPTIONS[this.#xattrs]}` }),
      )
      return
    }
    const names = path.join(this.#folder, `m${this.#count++}`)
    fs.mkdirSync(names)
    const back = process.cwd()
    try {
      process.chdir(names)
      const data = this.#data(overlay)
      if (this.#fuse !== undefined) mountFuse(this.#fuse, { data, target, cwd: names })
      else mount('overlay', target, 'overlay', { data: `${data},${OPTIONS[this.#xattrs]}` })
    } catch (error) {
      throw systemError(error, `mount an overlay on "${target}"`)
    } finally {
      process.chdir(back)
    }
  }

  // The options are read while the folder of symlinks is the working directory.
  #data(overlay: Overlay): string {
    const { upper, work } = overlay
    return dataOf({
      lowers: this.#enough(overlay).map((dir, index) => linked(String(index), dir)),
      ...(upper === undefined ? {} : { upper: linked('u', upper) }),
      ...(work === undefined ? {} : { work: linked('w', work) }),
    })
  }

  #shownData({ shown }: Overlay): string | undefined {
    if (shown === undefined || this.#fuse !== undefined) return undefined
    const dirs = { ...shown, lowers: this.#enough(shown) }
    const { lowers, upper = '/', work = '/' } = dirs
    if (![...lowers, upper, work].every(isPlain)) return undefined
    const data = dataOf(dirs)
    return Buffer.byteLength(data) > MAX_SHOWN_BYTES ? undefined : data
  }

  // The kernel needs one lower directory, and two of them if the mount is read-only.
  #enough({ lowers, upper }: OverlayDirs): string[] {
    const least = upper === undefined ? 2 : 1
    return [...lowers, ...this.#empties.slice(0, Math.max(0, least - lowers.length))]
  }

  /** Whether a directory of an upper hides the directories below it. */
  isOpaque(dir: string): boolean {
    return lgetxattr(dir, `${this.#xattrs}.overlay.opaque`)?.toString('latin1') === 'y'
  }

  /** To be called after a written upper is unmounted. It gives the upper the form that the kernel would have left. */
  finish(upper: string): void {
    if (this.#fuse !== undefined) tidyUpper(upper, this.#xattrs)
  }
}

/** The overlay mounter that works here, or the reasons why none does, the kernel's reason first. */
export interface FoundOverlays {
  readonly mounter: OverlayMounter
  readonly works: boolean
  /** Why the kernel does not mount the overlays. */
  readonly problem?: string
}

interface FindOptions {
  readonly xattrs: 'trusted' | 'user'
  readonly searchPath: string | undefined
  readonly wanted?: OverlayName
}

const NOT_WANTED = 'the option --overlays'

/**
 * Finds out how overlays are mounted in `dir`, an empty directory: by the kernel, else by fuse-overlayfs.
 *
 * @param folder - as of {@link OverlayMounter}
 */
export function findOverlays(
  dir: string,
  folder: string,
  { xattrs, searchPath, wanted = 'auto' }: FindOptions,
): FoundOverlays {
  const kernel = new OverlayMounter(folder, xattrs)
  const isWanted = (name: OverlayName): boolean => wanted === 'auto' || wanted === name
  const problem = isWanted('kernel') ? overlayProblem(kernel, path.join(dir, 'kernel')) : NOT_WANTED
  if (problem === undefined) return { mounter: kernel, works: true }
  const program = isWanted('fuse') ? findProgram('fuse-overlayfs', searchPath) : undefined
  if (program === undefined) return { mounter: kernel, works: false, problem }
  const fuse = new OverlayMounter(`${folder}-fuse`, xattrs, program)
  const other = overlayProblem(fuse, path.join(dir, 'fuse'))
  if (other === undefined) return { mounter: fuse, works: true, problem }
  return { mounter: kernel, works: false, problem: `${problem}; ${other}` }
}

/**
 * Why overlays cannot be mounted in `dir`; undefined if they can. This mounts one, because no list of suitable file
 * systems is complete.
 */
function overlayProblem(mounter: OverlayMounter, dir: string): string | undefined {
  const names = ['upper', 'work', 'merged', 'lower', 'lower/anew'].map(name => path.join(dir, name))
  const [upper = '', work = '', target = '', lower = ''] = names
  for (const each of names) fs.mkdirSync(each, { recursive: true })
  fs.writeFileSync(path.join(lower, 'gone'), '')
  try {
    mounter.mount({ lowers: [lower], upper, work }, target)
    try {
      fs.mkdirSync(path.join(target, 'probe'))
      fs.rmSync(path.join(target, 'gone'))
      fs.rmdirSync(path.join(target, 'anew'))
      fs.mkdirSync(path.join(target, 'anew'))
    } finally {
      unmount(target)
    }
    mounter.finish(upper)
    const isWhiteout = fs.lstatSync(path.join(upper, 'gone'), { throwIfNoEntry: false })?.isCharacterDevice()
    if (!isWhiteout) return 'what is removed leaves no 0:0 device'
    return mounter.isOpaque(path.join(upper, 'anew')) ? undefined : 'a directory made anew is not marked'
  } catch (error) {
    return messageOf(error)
  }
}

function dataOf({ lowers, upper, work }: OverlayDirs): string {
  const writing = upper === undefined || work === undefined ? '' : `,upperdir=${upper},workdir=${work}`
  return `lowerdir=${lowers.join(':')}${writing}`
}

// These characters would need escapes, some of which not every kernel reads the same way.
function isPlain(name: string): boolean {
  return !/^$|[:,\\"\s\p{Cc}]/u.test(name)
}

function linked(name: string, target: string): string {
  fs.symlinkSync(target, name)
  return name
}
