/**
 * Unpacks layers in overlay form, several at a time.
 *
 * A layer depends on the layers below it only where it lacks something: a parent, or the target of a hard link. Only at
 * that point it waits until they are whole, so the result is the same as unpacking them one after the other. The main
 * thread takes the lowest layer that was not begun yet, the other threads take later ones.
 *
 * @module
 */

import fs from 'node:fs'
import type { XattrForm } from '@pipelayer/rootfs'
import { adoptRoot, unpackOverlay } from './apply.js'
import { isWorthThread, ReadingThread } from './reading-thread.js'
import { ThreadLink } from './thread-link.js'
import type { OverlayLayer, UnpackedLayer } from './thread-messages.js'
import type { ApplyOptions, ApplyResult } from './types.js'

export interface OverlayThreadsOptions extends ApplyOptions {
  readonly xattrs: XattrForm
  /** File of a program that calls `serveLayerThread`; without it, or with a selection, layers come one after the other. */
  readonly program?: string | undefined
  /** Layers that are unpacked at a time. Each costs some 30 MB. */
  readonly atATime: number
}

/** The result for a layer. */
export interface ThreadsResult {
  readonly diffID: string
  readonly result: ApplyResult
}

interface Job extends OverlayLayer {
  readonly number: number
  begun?: Promise<UnpackedLayer>
}

/** Unpacks the layers of one image. The caller must call {@link close} in every case. */
export class OverlayThreads {
  readonly #options: OverlayThreadsOptions
  readonly #program: string | undefined
  readonly #reading: ReadingThread
  readonly #aborter = new AbortController()
  /** How many layers from the lowest on are whole; threads wait for it. */
  readonly #whole = new Int32Array(new SharedArrayBuffer(4))
  readonly #threads: ThreadLink[] = []
  readonly #idle: ThreadLink[] = []
  readonly #waiting: Job[] = []
  #last: Promise<unknown> = Promise.resolve()
  #count = 0
  #busy = 0
  #hasFailed = false

  constructor(options: OverlayThreadsOptions) {
    const { program, selection, signal } = options
    this.#options = options
    signal?.addEventListener('abort', () => void this.close(), { once: true })
    this.#reading = new ReadingThread(program)
    // A selection depends on the entries of lower layers, so layers are unpacked one after the other.
    this.#program =
      program !== undefined && selection === undefined && fs.existsSync(program) ? program : undefined
  }

  /**
   * Unpacks a layer onto the layers of earlier calls. Resolves when it and all of these are whole, and rejects with the
   * error of the lowest one that failed, as if they had come one after the other.
   *
   * @param publish - called when the layer is whole, before others read it, and for the lowest layer first
   * @throws ToolError those of applyLayerOverlay and of reading the blob
   */
  unpack(layer: OverlayLayer, publish?: (diffID: string) => void): Promise<ThreadsResult> {
    const job: Job = { ...layer, number: this.#count++ }
    const whole = this.#inTurn(job, this.#last, publish)
    // A failure also rejects the promises of later layers, so this one need not be handled.
    whole.catch(() => undefined)
    this.#last = whole
    if (this.#program !== undefined && isWorthThread(job.blob)) this.#waiting.push(job)
    // This runs after the main thread has taken the layer, if it is the lowest one.
    queueMicrotask(() => this.#assign())
    return whole
  }

  /** Stops all work. Nothing is written any more when this resolves. */
  async close(): Promise<void> {
    this.#aborter.abort()
    this.#waiting.length = 0
    await Promise.all([this.#last.catch(() => undefined), ...this.#threads.map(thread => thread.close())])
    await this.#reading.close()
  }

  async #inTurn(
    job: Job,
    below: Promise<unknown>,
    publish?: (diffID: string) => void,
  ): Promise<ThreadsResult> {
    await below
    const { diffID, result, hasRoot } = await (job.begun ?? this.#here(job))
    if (!hasRoot) adoptRoot(job.dir, job.lowers[0], this.#options.idMap)
    publish?.(diffID)
    Atomics.store(this.#whole, 0, job.number + 1)
    Atomics.notify(this.#whole, 0)
    return { diffID, result }
  }

  /** Unpacks a layer in this thread, when all layers below are whole. */
  async #here(job: Job): Promise<UnpackedLayer> {
    const at = this.#waiting.indexOf(job)
    if (at >= 0) this.#waiting.splice(at, 1)
    return await this.#counted(async () => {
      const { tar, finish, writes } = this.#reading.open(job.blob)
      const unpacked = await unpackOverlay(tar, job.dir, {
        ...this.#options,
        writes,
        lowers: () => job.lowers,
        signal: this.#aborter.signal,
      })
      return { ...unpacked, diffID: finish() }
    })
  }

  /**
   * Gives waiting layers to threads, the lowest first. The lowest layer that is not whole is left to the main thread.
   */
  #assign(): void {
    const program = this.#program
    while (program !== undefined && !this.#hasFailed && this.#busy < this.#options.atATime) {
      const at = this.#waiting.findIndex(({ number }) => number > (this.#whole[0] ?? 0))
      const [job] = at < 0 ? [] : this.#waiting.splice(at, 1)
      if (job === undefined) return
      job.begun = this.#counted(() => this.#inThread(job, program))
      job.begun.catch(() => undefined)
    }
  }

  async #inThread(job: Job, program: string): Promise<UnpackedLayer> {
    const thread = this.#idle.pop() ?? this.#start(program)
    const { xattrs, idMap, owner, rules, onWarning } = this.#options
    const options = {
      ...(idMap === undefined ? {} : { idMap }),
      ...(owner === undefined ? {} : { owner }),
      ...(rules === undefined ? {} : { rules }),
    }
    const { number, blob, dir, lowers } = job
    const unpacked = await thread.unpack({ number, blob, dir, lowers, xattrs, options }, onWarning)
    this.#idle.push(thread)
    return unpacked
  }

  #start(program: string): ThreadLink {
    const thread = new ThreadLink(program, this.#whole)
    this.#threads.push(thread)
    return thread
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++
    try {
      return await work()
    } catch (error) {
      this.#hasFailed = true
      // An aborted signal is the reason why the thread was ended, so it takes precedence over the thread's own error.
      this.#options.signal?.throwIfAborted()
      throw error
    } finally {
      this.#busy--
      this.#assign()
    }
  }
}
