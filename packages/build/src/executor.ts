/**
 * The program that mounts, copies and runs: alone in its mount and pid namespace, so that all of it ends with it.
 *
 * It ends when its stdin does, whatever it is doing; the shell around it takes the work directory away.
 *
 * @module
 */
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { ToolError } from '@pipelayer/errors'
import { Bench } from './bench.js'
import type { Note, Reply, Request } from './executor-protocol.js'
import { executeStep } from './step.js'
import { unpackLayers } from './unpack-layers.js'

/** Serves requests from stdin until it closes. */
export async function runExecutor(): Promise<void> {
  // What is made takes its mode from what was asked, not from the caller's shell.
  process.umask(0o022)
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  // The pid namespace goes with us, and every mount and container in it.
  lines.on('close', () => process.exit(0))
  const session = new Session()
  for await (const line of lines) write(await session.answer(JSON.parse(line) as Request))
}

class Session {
  #bench: Bench | undefined

  async answer(request: Request): Promise<Reply> {
    try {
      return await this.#handle(request)
    } catch (error) {
      if (error instanceof ToolError)
        return { ok: false, code: error.code, message: error.message, status: error.status }
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { ok: false, code: 'BUG', message: stack.split('\n', 1)[0] ?? '', status: 1, stack }
    }
  }

  async #handle(request: Request): Promise<Reply> {
    if (request.op === 'start') {
      this.#bench = Bench.start(request, note)
      return { ok: true, form: this.#bench.form }
    }
    const bench = this.#bench
    if (bench === undefined) throw new Error('the executor was not started')
    if (request.op === 'unpack') await unpackLayers(bench, request)
    else await executeStep(bench, request)
    return { ok: true }
  }
}

function note(kind: Note['note'], message: string): void {
  write({ note: kind, message })
}

function write(line: Note | Reply): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}
