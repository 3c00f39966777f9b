import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf } from '@pipelayer/errors'
import { isOrphan, ownedName } from '@pipelayer/sys'

const MAX_TRIES = 10
/** The mode of folders: whatever the umask is, only the owner can replace files in them. */
export const FOLDER_MODE = 0o755

/**
 * The folder for files that are not complete yet, on the file system of their targets. It exists only while it holds
 * files. Files that killed processes left are removed by the next process.
 */
export class PartialFolder {
  readonly #root: string
  #swept = false

  constructor(root: string) {
    this.#root = root
  }

  /** Creates a file that only its owner can read. Another process may remove the empty folder at any time. */
  create(): { readonly file: string; readonly fd: number } {
    return attempt(`write below "${this.#root}"`, () => {
      for (let tries = 1; ; tries++) {
        try {
          return this.#open()
        } catch (error) {
          if (errnoOf(error) !== 'ENOENT' || tries === MAX_TRIES) throw error
        }
      }
    })
  }

  /** Writes a small file and returns its name. */
  write(content: string | Uint8Array): string {
    const { file, fd } = this.create()
    try {
      attempt(`write "${file}"`, () => fs.writeFileSync(fd, content))
      return file
    } catch (error) {
      this.discard([file])
      throw error
    } finally {
      fs.closeSync(fd)
    }
  }

  /**
   * Writes a stream and returns its name. Writes are synchronous, since a write into the page cache costs less than the
   * way through the thread pool.
   */
  async writeStream(source: AsyncIterable<Uint8Array>): Promise<string> {
    const { file, fd } = this.create()
    try {
      for await (const chunk of source) {
        attempt(`write "${file}"`, () => writeWhole(fd, chunk))
      }
      return file
    } catch (error) {
      this.discard([file])
      throw error
    } finally {
      fs.closeSync(fd)
    }
  }

  /**
   * Makes a second name for a file in this folder; undefined where the file is gone, or the file system has no hard
   * links.
   */
  link(file: string): string | undefined {
    const name = this.#newName()
    try {
      fs.linkSync(file, name)
      return name
    } catch {
      return undefined
    }
  }

  /** Removes files, and the folder with the last one. */
  discard(files: readonly string[]): void {
    for (const file of files) fs.rmSync(file, { force: true })
    try {
      fs.rmdirSync(this.#root)
    } catch {
      // Another process uses the folder, or it is gone already.
    }
  }

  #open(): { readonly file: string; readonly fd: number } {
    fs.mkdirSync(this.#root, { recursive: true, mode: FOLDER_MODE })
    if (!this.#swept) this.#sweep()
    const file = this.#newName()
    return { file, fd: fs.openSync(file, 'wx', 0o644) }
  }

  #newName(): string {
    return path.join(this.#root, ownedName('file', randomBytes(6).toString('hex')))
  }

  #sweep(): void {
    this.#swept = true
    for (const name of fs.readdirSync(this.#root))
      if (isOrphan(name)) fs.rmSync(path.join(this.#root, name), { recursive: true, force: true })
  }
}

function writeWhole(fd: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.length; ) done += fs.writeSync(fd, chunk, done)
}
