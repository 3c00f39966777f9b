import fs from 'node:fs'
import { Socket } from 'node:net'
import { pipe } from '@pipelayer/sys'

/** Takes whole lines, with a newline between them. */
export type TakeLines = (lines: Buffer) => void

/** The destination of a program's output: a file, or a function that takes its lines. */
export type Output = { readonly log: string } | { readonly take: TakeLines }

/** The file descriptors that a program gets for its output. */
export interface OpenOutput {
  readonly fd: number
  /** To be called when the program has ended. It waits for the last line. */
  close(): Promise<void>
}

/** A longer line is passed on in pieces. */
const MAX_LINE_BYTES = 64 * 1024
/** How long a process that the program left running may still write. */
const GRACE_MS = 1_000

/** Opens the destination of the output; without one it is our stderr. */
export function openOutput(output: Output | undefined): OpenOutput {
  if (output === undefined) return { fd: 2, close: async () => {} }
  if ('take' in output) return linePipe(output.take)
  const fd = fs.openSync(output.log, 'w', 0o600)
  return { fd, close: async () => fs.closeSync(fd) }
}

// Both outputs of a program go to one pipe, so that their lines keep their order. They do not go to our own stderr,
// which may be the user's terminal, or a file that a step could read and truncate.
function linePipe(take: TakeLines): OpenOutput {
  const { read, write } = pipe()
  const socket = new Socket({ fd: read, readable: true, writable: false })
  const ended = new Promise<void>(resolve => socket.once('close', () => resolve()))
  const lines = new LineSplitter(take)
  socket.on('data', chunk => lines.add(chunk))
  socket.on('error', () => {})
  const close = async (): Promise<void> => {
    fs.closeSync(write)
    const timer = setTimeout(() => socket.destroy(), GRACE_MS)
    await ended
    clearTimeout(timer)
    lines.end()
  }
  return { fd: write, close }
}

/** Cuts bytes into lines. */
export class LineSplitter {
  readonly #take: TakeLines
  #rest: Buffer = Buffer.alloc(0)

  constructor(take: TakeLines) {
    this.#take = take
  }

  add(chunk: Buffer): void {
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const end = rest.lastIndexOf(10)
    if (end >= 0) this.#take(rest.subarray(0, end))
    rest = rest.subarray(end + 1)
    for (; rest.length > MAX_LINE_BYTES; rest = rest.subarray(MAX_LINE_BYTES))
      this.#take(rest.subarray(0, MAX_LINE_BYTES))
    this.#rest = Buffer.from(rest)
  }

  /** Passes on the bytes after the last newline. */
  end(): void {
    if (this.#rest.length > 0) this.#take(this.#rest)
    this.#rest = Buffer.alloc(0)
  }
}
