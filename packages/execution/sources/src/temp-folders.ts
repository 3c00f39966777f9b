import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Store } from '@pipelayer/store'

/** Directories in the store for one build, which hold checked out or unpacked files. */
export class TempFolders {
  readonly #store: Store
  #parent: string | undefined
  #count = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Makes a new, empty directory. It is as open as the root of an image is; its parent is accessible to us alone. */
  make(): string {
    this.#parent ??= this.#store.tempDir('source')
    const dir = path.join(this.#parent, String(this.#count++))
    fs.mkdirSync(dir)
    fs.chmodSync(dir, 0o755)
    return dir
  }

  /** Removes all of them. */
  close(): void {
    if (this.#parent === undefined) return
    // An archive may hold directories that their owner must not write to.
    spawnSync('chmod', ['-R', 'u+rwX', '--', this.#parent], { stdio: 'ignore' })
    fs.rmSync(this.#parent, { recursive: true, force: true })
    this.#parent = undefined
  }
}
