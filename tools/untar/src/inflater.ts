/**
 * The thread that reads blobs: reads, checks, inflates and hashes while the main thread makes files.
 *
 * Takes jobs one after the other. Chunks are handed over without copying; at most {@link AHEAD} are under way.
 *
 * @module
 */
import { type MessagePort, workerData } from 'node:worker_threads'
import { ToolError } from '@pipelayer/errors'
import { type BlobFile, openTar } from './blob-file.js'

/** From the main thread: a blob to read, chunks used up, or that no more is wanted. */
export type ToInflater = { readonly job: BlobFile } | { readonly used: number } | 'stop'

/** To the main thread: chunks, then the diffID or why there is none. */
export type FromInflater =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly diffID: string }
  | { readonly failure: { readonly code: string; readonly message: string; readonly status: number } }
  | { readonly bug: string }

/** Chunks of at most 256 KiB, or 1 MiB of a blob that is not compressed: 16 MiB. */
const AHEAD = 16

const port: MessagePort = workerData
let underWay = 0
let isStopped = false
let wake: () => void = () => undefined

port.on('message', (message: ToInflater) => {
  if (message === 'stop') isStopped = true
  else if ('used' in message) underWay -= message.used
  else void run(message.job)
  wake()
})

async function run(job: BlobFile): Promise<void> {
  underWay = 0
  isStopped = false
  try {
    const { tar, finish } = openTar(job)
    for await (const chunk of tar) {
      send(chunk)
      while (underWay >= AHEAD && !isStopped) await change()
      if (isStopped) break
    }
    // A job that was stopped has an answer too: it says that no chunk of it comes any more.
    answer({ diffID: isStopped ? '' : finish() })
  } catch (error) {
    answer(explained(error))
  }
}

function send(chunk: Buffer): void {
  const { buffer } = chunk
  const isWhole = buffer instanceof ArrayBuffer && chunk.length === buffer.byteLength
  // A part of a larger buffer is copied: the rest belongs to the decompressor, which goes on to fill it.
  const bytes = isWhole ? new Uint8Array(buffer) : Uint8Array.from(chunk)
  underWay++
  port.postMessage({ bytes } satisfies FromInflater, [bytes.buffer])
}

function answer(message: FromInflater): void {
  port.postMessage(message)
}

function explained(error: unknown): FromInflater {
  if (!(error instanceof ToolError))
    return { bug: error instanceof Error ? String(error.stack) : String(error) }
  const { code, message, status } = error
  return { failure: { code, message, status } }
}

function change(): Promise<void> {
  return new Promise(resolve => {
    wake = resolve
  })
}
