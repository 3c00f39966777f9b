/**
 * The main thread's side of one thread that works on layers.
 *
 * @module
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { ToolError } from '@pipelayer/errors'
import type { BlobFile } from '@pipelayer/layer-blob'
import type { Warn } from '@pipelayer/rootfs'
import {
  type FromThread,
  SLOT_BYTES,
  SLOTS,
  type ThreadData,
  type ToThread,
  type UnpackedLayer,
  type UnpackJob,
} from './thread-messages.js'
import { type BatchDone, type QueueMemory, ROWS_BYTES, WriteQueue } from './write-queue.js'

/** How many used slots are reported at a time; fewer than there are. */
const TOGETHER = 4

type Answer = Exclude<FromThread, BatchDone>

/** Controls one thread, which does one job at a time. */
export class ThreadLink {
  readonly #port: MessagePort
  readonly #worker: Worker
  readonly #ring: Buffer
  readonly #queue: Answer[] = []
  /** Writes files for the reader of this link. */
  readonly writes: WriteQueue
  #wake: () => void = () => undefined

  /** @param program - file of a program that calls `serveLayerThread` */
  constructor(program: string, whole: Int32Array) {
    const { port1, port2 } = new MessageChannel()
    const ring = new SharedArrayBuffer(SLOTS * SLOT_BYTES)
    this.#port = port1
    this.#ring = Buffer.from(ring)
    const memory: QueueMemory = {
      ring,
      rows: new SharedArrayBuffer(ROWS_BYTES),
      written: new Int32Array(new SharedArrayBuffer(4)),
    }
    this.writes = new WriteQueue(memory, rows => this.#tell({ rows }))
    const workerData: ThreadData = { ...memory, port: port2, whole }
    this.#worker = new Worker(program, { workerData, transferList: [port2] })
    this.#worker.on('error', error => this.#end(String(error.stack)))
    this.#worker.on('exit', status => this.#end(`a thread ended with ${status}`))
    port1.on('message', (message: FromThread) => this.#take(message))
  }

  /**
   * Yields the chunks of the tar in a blob, and returns its diffID. Chunks are views of memory that is used again, so
   * the reader must not keep one when it asks for the next. @throws the error of reading the blob
   */
  async *read(blob: BlobFile): AsyncGenerator<Buffer, string, void> {
    let isAnswered = false
    this.#tell({ read: blob })
    try {
      for (let slot = 0; ; slot++) {
        // Slots are not reported one by one, since a message costs as much as making ten files. The last slot may still
        // be in use.
        if (slot > 0 && slot % TOGETHER === 0) this.#release()
        const message = this.#next() ?? (await this.#later())
        isAnswered = !('filled' in message)
        if (!('filled' in message)) return diffIDOf(message)
        const start = (slot % SLOTS) * SLOT_BYTES
        yield this.#ring.subarray(start, start + message.filled)
      }
    } finally {
      if (!isAnswered) await this.#drain()
    }
  }

  /** Unpacks a layer in the thread. @throws the error of unpacking it */
  async unpack(job: UnpackJob, onWarning: Warn | undefined): Promise<UnpackedLayer> {
    this.#tell({ unpack: job })
    for (;;) {
      const message = this.#next() ?? (await this.#later())
      if ('unpacked' in message) return message.unpacked
      if (!('warning' in message)) throw failureOf(message)
      onWarning?.(message.warning)
    }
  }

  /** Ends the thread, whatever it is doing. All its files are closed when this resolves. */
  async close(): Promise<void> {
    this.#port.close()
    await this.#worker.terminate()
  }

  /**
   * Called where the reader has left its loop. Drops the remaining answers of this job, so that the next one does not
   * get them.
   */
  async #drain(): Promise<void> {
    this.#tell('stop')
    while ('filled' in (this.#next() ?? (await this.#later())));
  }

  /** The next answer that has arrived, received without the event loop. */
  #next(): Answer | undefined {
    for (;;) {
      const waiting = this.#queue.shift()
      if (waiting !== undefined) return waiting
      const message: FromThread | undefined = receiveMessageOnPort(this.#port)?.message
      if (message === undefined) return undefined
      this.#take(message)
    }
  }

  async #later(): Promise<Answer> {
    for (;;) {
      const message = this.#next()
      if (message !== undefined) return message
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  #take(message: FromThread): void {
    if ('batches' in message) this.writes.take(message)
    else {
      this.#queue.push(message)
      this.#wake()
    }
  }

  #end(bug: string): void {
    this.#take({ bug })
    this.writes.fail(new Error(bug))
  }

  #release(): void {
    this.writes.send()
    this.#tell({ used: TOGETHER })
  }

  #tell(message: ToThread): void {
    this.#port.postMessage(message)
  }
}

function diffIDOf(message: Answer): string {
  if ('diffID' in message) return message.diffID
  throw failureOf(message)
}

function failureOf(message: Answer): Error {
  if ('bug' in message) return new Error(message.bug)
  if (!('failure' in message)) return new Error('a thread gave another answer than was asked for')
  const { code, message: text, status } = message.failure
  return new ToolError(code, text, { status: status === 2 ? 2 : status === 75 ? 75 : 1 })
}
