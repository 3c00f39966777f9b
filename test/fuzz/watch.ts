/**
 * A folder that has the root for archives deep inside, and a check that nothing else in it changes.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** The part of the folder that may change. */
const ROOT = 'nest/a/b/root'

/**
 * Made in a new private folder:
 *
 *     canary/file  canary/dir/deep  canary/link -> file  canary/run (setuid)
 *     lower/           a layer below, in overlay form: read, never written
 *     nest/a/b/root/   the root
 */
export class Nest {
  readonly dir: string = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'pipelayer-fuzz-'))
  readonly root: string = path.join(this.dir, ROOT)
  readonly lower: string = path.join(this.dir, 'lower')
  #before = ''

  constructor() {
    for (const folder of ['canary/dir', 'lower/dir/sub', ROOT])
      fs.mkdirSync(path.join(this.dir, folder), { recursive: true })
    for (const file of ['canary/file', 'canary/dir/deep', 'canary/run', 'lower/dir/file', 'lower/file'])
      fs.writeFileSync(path.join(this.dir, file), `${file}\n`)
    fs.symlinkSync('file', path.join(this.dir, 'canary/link'))
    fs.symlinkSync('../../../../canary', path.join(this.lower, 'out'))
    fs.symlinkSync('/proc/self/cwd/canary', path.join(this.lower, 'abs'))
    fs.chmodSync(path.join(this.dir, 'canary/run'), 0o4755)
  }

  /** Empties the root, and remembers the state of all other files. */
  reset(): void {
    removeTree(this.root)
    fs.mkdirSync(this.root)
    this.#before = this.#picture()
  }

  /** @throws Error if anything outside the root has changed since the last reset */
  check(): void {
    const now = this.#picture()
    if (now !== this.#before) throw new Error(`changed outside the root:\n${this.#before}became\n${now}`)
  }

  remove(): void {
    removeTree(this.dir)
  }

  /** All that lstat tells, except the time of reading. The ctime of an inode changes with every byte and attribute. */
  #picture(): string {
    const lines: string[] = []
    const visit = (name: string): void => {
      const file = path.join(this.dir, name)
      const stat = fs.lstatSync(file, { bigint: true })
      const { ino, mode, uid, gid, nlink, size, rdev, mtimeNs, ctimeNs } = stat
      lines.push(
        [name, ino, mode, uid, gid, nlink, size, rdev, mtimeNs, ctimeNs, contentOf(file, stat)].join(' '),
      )
      if (stat.isDirectory() && name !== 'nest/a/b')
        for (const child of fs.readdirSync(file).sort()) visit(path.join(name, child))
      if (name === 'nest/a/b') lines.push(fs.readdirSync(file).join(' '))
    }
    visit('.')
    return `${lines.join('\n')}\n`
  }
}

function contentOf(file: string, stat: fs.BigIntStats): string {
  if (stat.isSymbolicLink()) return fs.readlinkSync(file, 'latin1')
  return stat.isFile() ? fs.readFileSync(file, 'latin1') : ''
}

/** The number of open descriptors of this process, to find those that stay open after errors. */
export function openFiles(): number {
  return fs.readdirSync('/proc/self/fd').length
}

function removeTree(dir: string): void {
  try {
    fs.rmSync(dir, { recursive: true, force: true })
  } catch {
    // Some names are too long for one path; rm(1) goes down folder by folder.
    spawnSync('rm', ['-rf', dir])
  }
}
