import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { systemError } from '@pipelayer/errors'
import { isAvailable } from '@pipelayer/sys'
import { openLocked } from './locked-file.js'

const MAX_BYTES = 64 * 1024

/**
 * Saves where a broken upload goes on: an address that the registry gave. It may contain a secret, so only the owner
 * can read it.
 *
 * ```
 * pushes/<sha256 of the target>     the address, mode 0600; locked during the upload, removed after it
 * ```
 *
 * It is written in place and not flushed, since a damaged address is only refused, and the upload then begins anew.
 */
export class UploadState {
  readonly #file: string
  #fd: number | undefined

  constructor(folder: string, target: readonly string[]) {
    this.#file = path.join(folder, createHash('sha256').update(JSON.stringify(target)).digest('hex'))
  }

  /** Locks the state for this upload; false while another process has it, or where locks are not available. */
  take(): boolean {
    if (!isAvailable()) return false
    this.#fd = openLocked(this.#file)
    return this.#fd !== undefined
  }

  /** The address that was saved last. */
  load(): string | undefined {
    const buffer = Buffer.alloc(MAX_BYTES)
    const count = this.#attempt(fd => fs.readSync(fd, buffer, 0, MAX_BYTES, 0)) ?? 0
    return count === 0 ? undefined : buffer.toString('utf8', 0, count)
  }

  save(text: string): void {
    this.#attempt(fd => {
      fs.ftruncateSync(fd)
      fs.writeSync(fd, text, 0)
    })
  }

  clear(): void {
    this.#attempt(fd => fs.ftruncateSync(fd))
  }

  /** Releases the state. */
  release(): void {
    this.#attempt(fd => {
      if (fs.fstatSync(fd).size === 0) fs.rmSync(this.#file, { force: true })
      fs.closeSync(fd)
    })
    this.#fd = undefined
  }

  #attempt<T>(work: (fd: number) => T): T | undefined {
    if (this.#fd === undefined) return undefined
    try {
      return work(this.#fd)
    } catch (error) {
      throw systemError(error, `write "${this.#file}"`)
    }
  }
}
