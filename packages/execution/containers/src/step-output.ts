import fs from 'node:fs'
import { Socket } from 'node:net'
import { pipe } from '@pipelayer/sys'

/** Whole lines, with a newline between them. */
export type TakeLines = (lines: Buffer) => void

/** Where a program writes: to a file, or to whoever takes its lines. */
export type Output = { readonly log: string } | { readonly take: TakeLines }

/** What a program is given to write to. */
export interface OpenOutput {
  readonly fd: number
  /** To be called when the program has ended; waits for the last line. */
  close(): Promise<void>
}

/** A longer line comes in pieces. */
const MAX_LINE_BYTES = 64 * 1024
/** How long something that a program left running may still write. */
const GRACE_MS = 1_000

/** Opens it; without one it is our stderr. */
export function openOutput(output: Output | undefined): OpenOutput {
  if (output === undefined) return { fd: 2, close: async () => {} }
  if ('take' in output) return linePipe(output.take)
  const fd = fs.openSync(output.log, 'w', 0o600)
  return { fd, close: async () => fs.closeSync(fd) }
}

// One pipe for both of a program's outputs, so that their lines keep their order. It is not what our stderr is: that may
// be the user's terminal, or a file that a step could read and cut.
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

  /** Gives what comes after the last newline. */
  end(): void {
    if (this.#rest.length > 0) this.#take(this.#rest)
    this.#rest = Buffer.alloc(0)
  }
}
