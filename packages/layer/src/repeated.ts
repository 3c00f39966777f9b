/**
 * A path that one layer has twice. The specification forbids it, and programs differ in which of the two they take;
 * so it passes only where both are the same, as some producers write them.
 *
 * @module
 */
import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import { openRegular } from '@pipelayer/sys'
import type { ReadEntry } from '@pipelayer/tar'
import type { Spot } from './make.js'
import { bytesOf } from './name.js'
import { timeOf } from './time.js'

/** Compares an entry with what the first of its name has become. */
export class Repeated {
  readonly #fd: number | undefined
  #position = 0

  /** @throws ToolError `DUPLICATE_ENTRY` */
  constructor({ folder, name }: Spot, entry: ReadEntry) {
    const path = folder.at(name)
    const stat = folder.lstat(name)
    if (stat === undefined || !isAlike(stat, path, entry)) throw differs()
    if (entry.type === 'file') this.#fd = openRegular(path, { noFollow: true }).fd
  }

  /** @throws ToolError `DUPLICATE_ENTRY` */
  compare(bytes: Buffer): void {
    if (this.#fd === undefined) return
    const there = Buffer.allocUnsafe(bytes.length)
    const length = fs.readSync(this.#fd, there, 0, bytes.length, this.#position)
    if (!there.subarray(0, length).equals(bytes)) throw differs()
    this.#position += length
  }

  /** A sparse file twice is more than any producer needs. @throws ToolError `DUPLICATE_ENTRY` */
  skip(): never {
    throw differs()
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd)
  }
}

function isAlike(stat: fs.BigIntStats, path: Buffer, entry: ReadEntry): boolean {
  const time = timeOf(stat.mtimeNs)
  if (time.seconds !== entry.mtime.seconds || time.nanoseconds !== entry.mtime.nanoseconds) return false
  if (entry.type === 'symlink')
    return stat.isSymbolicLink() && fs.readlinkSync(path, 'buffer').equals(bytesOf(entry.linkname))
  if (entry.type !== 'file' || !stat.isFile()) return false
  return Number(stat.size) === entry.size && (Number(stat.mode) & 0o777) === (entry.mode & 0o777)
}

function differs(): ToolError {
  return new ToolError('DUPLICATE_ENTRY', 'the layer has this path twice, and not the same')
}
