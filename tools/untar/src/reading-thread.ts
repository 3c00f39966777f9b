/**
 * The near side of the thread that reads blobs.
 *
 * @module
 */
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { ToolError } from '@pipelayer/errors'
import { type BlobFile, type OpenTar, openTar } from './blob-file.js'
import type { FromInflater, ToInflater } from './inflater.js'

/** Below this a thread costs more, 40 ms, than it saves. */
const WORTH_BYTES = 2 << 20

/** Chunks that are reported used at a time: fewer than may be under way. */
const TOGETHER = 4

/** Reads blobs in another thread where that is faster. */
export class ReadingThread {
  readonly #program: string
  #link: Link | undefined

  /** @param program - of the thread; where there is no such file blobs are read in this thread */
  constructor(program = fileURLToPath(new URL('inflater.cjs', import.meta.url))) {
    this.#program = program
  }

  /** One at a time: the tar is read to its end, or its loop left, before the next one is opened. */
  open(blob: BlobFile): OpenTar {
    if (this.#link === undefined && !this.#isWorthIt(blob)) return openTar(blob)
    this.#link ??= new Link(this.#program)
    const link = this.#link
    let diffID = ''
    async function* chunks(): AsyncGenerator<Buffer, void, void> {
      diffID = yield* link.read(blob)
    }
    return { tar: chunks(), finish: () => diffID }
  }

  /** Ends the thread. */
  close(): void {
    this.#link?.close()
    this.#link = undefined
  }

  #isWorthIt({ file }: BlobFile): boolean {
    const stat = fs.statSync(file, { throwIfNoEntry: false })
    return stat?.isFile() === true && stat.size >= WORTH_BYTES && fs.existsSync(this.#program)
  }
}

class Link {
  readonly #port: MessagePort
  readonly #worker: Worker
  readonly #queue: FromInflater[] = []
  #wake: () => void = () => undefined

  constructor(program: string) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#worker = new Worker(program, { workerData: port2, transferList: [port2] })
    this.#worker.on('error', error => this.#take({ bug: String(error.stack) }))
    this.#worker.on('exit', status => this.#take({ bug: `the reading thread ended with ${status}` }))
    port1.on('message', (message: FromInflater) => this.#take(message))
  }

  /** The chunks of the tar; returns its diffID. @throws what reading it threw */
  async *read(job: BlobFile): AsyncGenerator<Buffer, string, void> {
    let isAnswered = false
    let used = 0
    this.#tell({ job })
    try {
      for (;;) {
        const message = this.#next() ?? (await this.#later())
        isAnswered = !('bytes' in message)
        if (!('bytes' in message)) return answerOf(message)
        yield Buffer.from(message.bytes.buffer)
        // Not each: a message costs as much as making ten files.
        if (++used % TOGETHER === 0) this.#tell({ used: TOGETHER })
      }
    } finally {
      if (!isAnswered) await this.#drain()
    }
  }

  close(): void {
    this.#port.close()
    void this.#worker.terminate()
  }

  /** Whoever reads has had enough: what is still to come of this job is not for the next one. */
  async #drain(): Promise<void> {
    this.#tell('stop')
    while ('bytes' in (this.#next() ?? (await this.#later())));
  }

  /** What has come, without going through the event loop. */
  #next(): FromInflater | undefined {
    return this.#queue.shift() ?? receiveMessageOnPort(this.#port)?.message
  }

  async #later(): Promise<FromInflater> {
    for (;;) {
      const message = this.#next()
      if (message !== undefined) return message
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  #take(message: FromInflater): void {
    this.#queue.push(message)
    this.#wake()
  }

  #tell(message: ToInflater): void {
    this.#port.postMessage(message)
  }
}

function answerOf(message: Exclude<FromInflater, { bytes: unknown }>): string {
  if ('diffID' in message) return message.diffID
  if ('bug' in message) throw new Error(message.bug)
  const { code, message: text, status } = message.failure
  throw new ToolError(code, text, { status: status === 2 ? 2 : status === 75 ? 75 : 1 })
}
