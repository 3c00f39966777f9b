/**
 * Reads blobs in another thread, which reads, checks, inflates and hashes while this one makes files.
 *
 * @module
 */

import fs from 'node:fs'
import { type BlobFile, type OpenTar, openTar } from '@pipelayer/layer-blob'
import { ThreadLink } from './thread-link.js'
import type { WriteQueue } from './write-queue.js'

/** For a smaller blob a thread costs more, 40 ms, than it saves. */
const WORTH_BYTES = 2 << 20

/** Whether a blob is so large that a thread for it pays. */
export function isWorthThread({ file }: BlobFile): boolean {
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size >= WORTH_BYTES
}

/** A tar whose small files may be written by the thread that reads it. */
export interface HandedTar extends OpenTar {
  readonly writes?: WriteQueue
}

/** Reads blobs in another thread where that is faster. Memory: 4 MiB of tar on its way, and the thread's own 30 MB. */
export class ReadingThread {
  readonly #program: string | undefined
  #link: ThreadLink | undefined

  /** @param program - file of a program that calls `serveLayerThread`; without it this thread reads */
  constructor(program: string | undefined) {
    this.#program = program !== undefined && fs.existsSync(program) ? program : undefined
  }

  /** Opens a tar. The tar before must have been read to its end, or its loop left. */
  open(blob: BlobFile): HandedTar {
    const program = this.#program
    if (program === undefined || (this.#link === undefined && !isWorthThread(blob))) return openTar(blob)
    this.#link ??= new ThreadLink(program, new Int32Array(new SharedArrayBuffer(4)))
    const link = this.#link
    let diffID = ''
    async function* chunks(): AsyncGenerator<Buffer, void, void> {
      diffID = yield* link.read(blob)
    }
    return { tar: chunks(), finish: () => diffID, writes: link.writes }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    const link = this.#link
    this.#link = undefined
    await link?.close()
  }
}
