import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const CHUNK = 1 << 20
/** A file that changed less than this ago may change again without any of its times showing it. */
const SETTLED_NS = 2_000_000_000n
const LINE = /^\d+:\d+:\d+:-?\d+:-?\d+ [0-9a-f]{64}$/

/**
 * The contents of files as digests, each read once as long as its inode does not change: neither size nor times, of which
 * nobody can set the ctime. With a `file` that is remembered for the next build too.
 */
export class FileDigests {
  readonly #file: string | undefined
  readonly #buffer = Buffer.allocUnsafe(CHUNK)
  /** What an earlier build left. */
  #earlier: ReadonlyMap<string, string> | undefined
  /** What this build asked for. */
  readonly #known = new Map<string, string>()
  /** Of these, what no file may remember yet. */
  readonly #fresh = new Set<string>()
  #hasNew = false

  constructor(file?: string) {
    this.#file = file
  }

  /** @param file - the path of a regular file; it is opened, never followed */
  of(file: Buffer, { dev, ino, size, mtimeNs, ctimeNs }: fs.BigIntStats): string {
    const key = `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
    const known = this.#known.get(key) ?? this.#remembered(key)
    if (known !== undefined) {
      this.#known.set(key, known)
      return known
    }
    this.#hasNew = true
    if (BigInt(Date.now()) * 1_000_000n - ctimeNs < SETTLED_NS) this.#fresh.add(key)
    const digest = this.#read(file)
    this.#known.set(key, digest)
    return digest
  }

  /** Remembers what this build read. A file that cannot be written costs the next build time, nothing else. */
  save(): void {
    if (this.#file === undefined || !this.#hasNew) return
    const lines = [...this.#known].filter(([key]) => !this.#fresh.has(key)).map(row => row.join(' '))
    const temporary = `${this.#file}.${process.pid}`
    try {
      fs.mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 })
      fs.writeFileSync(temporary, `${lines.join('\n')}\n`, { mode: 0o600 })
      fs.renameSync(temporary, this.#file)
    } catch {
      discard(temporary)
    }
  }

  #remembered(key: string): string | undefined {
    this.#earlier ??= new Map(linesOf(this.#file).map(line => line.split(' ') as [string, string]))
    return this.#earlier.get(key)
  }

  #read(file: Buffer): string {
    const hash = createHash('sha256')
    const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
    try {
      for (let size = fs.readSync(fd, this.#buffer); size > 0; size = fs.readSync(fd, this.#buffer))
        hash.update(this.#buffer.subarray(0, size))
    } finally {
      fs.closeSync(fd)
    }
    return hash.digest('hex')
  }
}

// What a power cut tore is no line; notes that cannot be read cost the reading of the files.
function linesOf(file: string | undefined): string[] {
  if (file === undefined) return []
  try {
    const lines = fs.readFileSync(file, 'latin1').split('\n')
    return lines.filter(line => LINE.test(line))
  } catch {
    return []
  }
}

function discard(file: string): void {
  try {
    fs.rmSync(file, { force: true })
  } catch {
    // Its folder is none: it was never made.
  }
}
