import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { systemError } from '@pipelayer/errors'
import { isAvailable } from '@pipelayer/sys'
import { openLocked } from './locked-file.js'

const MAX_BYTES = 64 * 1024

/**
 * Where an upload that broke goes on: an address that the registry gave, which may hold a secret and is therefore for
 * the owner's eyes only.
 *
 * ```
 * pushes/<sha256 of the target>     the address, mode 0600; locked while somebody uploads, gone when it is done
 * ```
 *
 * It is written in place and not flushed: a torn address is refused, and the upload begins anew.
 */
export class UploadState {
  readonly #file: string
  #fd: number | undefined

  constructor(folder: string, target: readonly string[]) {
    this.#file = path.join(folder, createHash('sha256').update(JSON.stringify(target)).digest('hex'))
  }

  /** Takes the state for this upload alone; false while another process has it, or where no lock can be had. */
  take(): boolean {
    if (!isAvailable()) return false
    this.#fd = openLocked(this.#file)
    return this.#fd !== undefined
  }

  /** What was saved last. */
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

  /** Gives the state back. */
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
