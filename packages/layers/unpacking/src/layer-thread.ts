/**
 * The program of a thread that works on layers. It reads blobs for the main thread, which makes files meanwhile, or
 * unpacks layers in overlay form by itself. It does one job after the other.
 *
 * @module
 */

import { workerData } from 'node:worker_threads'
import { ToolError } from '@pipelayer/errors'
import { type BlobFile, openTar } from '@pipelayer/layer-blob'
import { unpackOverlay } from './apply.js'
import {
  type FromThread,
  SLOT_BYTES,
  SLOTS,
  type ThreadData,
  type ToThread,
  type UnpackJob,
} from './thread-messages.js'
import { RowWriter } from './write-queue.js'

/** The whole program of a worker thread that {@link ReadingThread} and {@link OverlayThreads} start. */
export function serveLayerThread(): void {
  const thread = new LayerThread(workerData as ThreadData)
  thread.serve()
}

class LayerThread {
  readonly #data: ThreadData
  readonly #queue: Buffer
  readonly #writer: RowWriter
  #slot = 0
  #underWay = 0
  #isStopped = false
  #wake: () => void = () => undefined

  constructor(data: ThreadData) {
    this.#data = data
    this.#queue = Buffer.from(data.ring)
    this.#writer = new RowWriter(data)
  }

  serve(): void {
    this.#data.port.on('message', (message: ToThread) => {
      if (message === 'stop') this.#isStopped = true
      else if ('used' in message) this.#underWay -= message.used
      else if ('rows' in message) this.#tell(this.#writer.write(message.rows))
      else void this.#run('read' in message ? this.#read(message.read) : this.#unpack(message.unpack))
      this.#wake()
    })
  }

  async #run(job: Promise<FromThread>): Promise<void> {
    try {
      this.#tell(await job)
    } catch (error) {
      this.#tell(explained(error))
    }
  }

  async #read(blob: BlobFile): Promise<FromThread> {
    this.#underWay = 0
    this.#slot = 0
    this.#isStopped = false
    const { tar, finish } = openTar(blob)
    for await (const chunk of tar) {
      for (let at = 0; at < chunk.length && !this.#isStopped; at += SLOT_BYTES) await this.#send(chunk, at)
      if (this.#isStopped) break
    }
    // A job that was stopped is answered too; the answer tells that no further chunk comes.
    return { diffID: this.#isStopped ? '' : finish() }
  }

  async #send(chunk: Buffer, at: number): Promise<void> {
    while (this.#underWay >= SLOTS && !this.#isStopped) await this.#change()
    const start = this.#slot * SLOT_BYTES
    this.#tell({ filled: chunk.copy(this.#queue, start, at, at + SLOT_BYTES) })
    this.#slot = (this.#slot + 1) % SLOTS
    this.#underWay++
  }

  async #unpack({ number, blob, dir, lowers, xattrs, options }: UnpackJob): Promise<FromThread> {
    const { tar, finish } = openTar(blob)
    const unpacked = await unpackOverlay(tar, dir, {
      ...options,
      xattrs,
      lowers: () => {
        this.#waitForBelow(number)
        return lowers
      },
      onWarning: warning => this.#tell({ warning }),
    })
    return { unpacked: { ...unpacked, diffID: finish() } }
  }

  /** Blocks the whole thread, which has nothing else to do: all code that reads lower layers is synchronous. */
  #waitForBelow(number: number): void {
    const { whole } = this.#data
    for (let count = Atomics.load(whole, 0); count < number; count = Atomics.load(whole, 0))
      Atomics.wait(whole, 0, count)
  }

  #tell(message: FromThread): void {
    this.#data.port.postMessage(message)
  }

  #change(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}

function explained(error: unknown): FromThread {
  if (!(error instanceof ToolError))
    return { bug: error instanceof Error ? String(error.stack) : String(error) }
  const { code, message, status } = error
  return { failure: { code, message, status } }
}
