import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { errnoOf } from '@pipelayer/errors'
import { isOrphan, makeFolder, ownedName } from '@pipelayer/sys'

/**
 * The folder for files that are not complete yet, on the file system of their target. It exists only while something is
 * in it, so that a user's layout contains nothing else.
 */
export class PartialFolder {
  readonly root: string
  #swept = false

  constructor(root: string) {
    this.root = root
  }

  /** A new path in the folder, owned by this process; the folder exists afterwards. */
  name(prefix: string): string {
    makeFolder(this.root, 0o755)
    if (!this.#swept) this.#sweep()
    return path.join(this.root, ownedName(prefix, randomBytes(6).toString('hex')))
  }

  /** Runs `make` with a new path. It is repeated when another process has removed the empty folder meanwhile. */
  create<T>(prefix: string, make: (name: string) => T): T {
    for (let tries = 0; ; tries++) {
      try {
        return make(this.name(prefix))
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' && tries < 10) continue
        this.tidy()
        throw error
      }
    }
  }

  /** Removes the folder if nothing is in it. */
  tidy(): void {
    try {
      fs.rmdirSync(this.root)
    } catch {
      // Another process uses the folder, or it is gone already.
    }
  }

  #sweep(): void {
    this.#swept = true
    for (const name of fs.readdirSync(this.root))
      if (isOrphan(name)) fs.rmSync(path.join(this.root, name), { recursive: true, force: true })
  }
}
