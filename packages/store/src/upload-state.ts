import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, systemError } from '@pipelayer/errors'
import { isAvailable, ofdLock } from '@pipelayer/sys'
import { replaceFile } from './durable.js'

/**
 * Where an upload that broke goes on: an address that the registry gave, which may hold a secret and is therefore for
 * the owner's eyes only.
 *
 * ```
 * uploads/<sha256 of the target>         the address, mode 0600
 * uploads/<sha256 of the target>.lock    locked while somebody uploads
 * ```
 */
export class UploadState {
  readonly #file: string
  #lock: number | undefined

  constructor(folder: string, target: readonly string[]) {
    this.#file = path.join(folder, createHash('sha256').update(JSON.stringify(target)).digest('hex'))
  }

  /** Takes the state for this upload alone; false while another process has it, or where no lock can be had. */
  take(): boolean {
    if (!isAvailable()) return false
    return this.#attempt(() => {
      fs.mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 })
      const fd = fs.openSync(`${this.#file}.lock`, 'a+', 0o600)
      if (ofdLock(fd, 'exclusive')) this.#lock = fd
      else fs.closeSync(fd)
      return this.#lock !== undefined
    })
  }

  /** What was saved last. */
  load(): string | undefined {
    try {
      return fs.readFileSync(this.#file, 'utf8')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw systemError(error, `read "${this.#file}"`)
    }
  }

  save(text: string): void {
    this.#attempt(() =>
      replaceFile(this.#file, `${this.#file}.${randomBytes(6).toString('hex')}`, text, 0o600),
    )
  }

  clear(): void {
    this.#attempt(() => fs.rmSync(this.#file, { force: true }))
  }

  /** Gives the state back. The lock's file stays: whoever opened it meanwhile must find the same one. */
  release(): void {
    if (this.#lock === undefined) return
    fs.closeSync(this.#lock)
    this.#lock = undefined
  }

  #attempt<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw systemError(error, `write "${this.#file}"`)
    }
  }
}
