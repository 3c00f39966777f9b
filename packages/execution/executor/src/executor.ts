/**
 * The program that mounts, copies and runs commands. It has a mount and a pid namespace of its own, so that all mounts
 * and processes end with it.
 *
 * It ends when its stdin ends, whatever it is doing. The shell that started it then removes the work directory.
 *
 * @module
 */

import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { systemError, ToolError } from '@pipelayer/errors'
import type { Note, Numbered, Reply, Request } from '@pipelayer/steps'
import { type ExecutorParts, ExecutorSetup } from './executor-setup.js'
import { mergeStep } from './merge-step.js'
import { packStep } from './pack-step.js'
import { restoreStep } from './restore-step.js'
import { executeStep } from './step.js'
import { unpackLayers } from './unpack-layers.js'

/**
 * Serves requests from stdin until it closes.
 *
 * @param parts - `layerThread` is a program that calls `serveLayerThread`
 */
export async function runExecutor(parts: ExecutorParts): Promise<void> {
  // The modes of new files come from the requests, and must not depend on the umask of the caller's shell.
  process.umask(0o022)
  closeInherited()
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })
  // When this process ends, the kernel ends its pid namespace, and with it every mount and container.
  lines.on('close', () => process.exit(0))
  const session = new Session(parts)
  for await (const line of lines) void answer(session, JSON.parse(line) as Numbered<Request>)
}

async function answer(session: Session, { id, ...request }: Numbered<Request>): Promise<void> {
  write({ id, ...(await session.answer(request as Request)) })
}

const O_CLOEXEC = 0o2000000

// Files that the caller of kf-run had open must not reach a step. Node itself opens files so that they are closed on
// exec.
function closeInherited(): void {
  for (const name of fs.readdirSync('/proc/self/fd')) {
    const fd = Number(name)
    const info =
      fd > 2 && fs.existsSync(`/proc/self/fdinfo/${fd}`) && fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')
    const flags = info ? /^flags:\s*([0-7]+)/m.exec(info)?.[1] : undefined
    if (flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0) fs.closeSync(fd)
  }
}

class Session {
  readonly #parts: ExecutorParts
  #setup: ExecutorSetup | undefined

  constructor(parts: ExecutorParts) {
    this.#parts = parts
  }

  async answer(request: Request): Promise<Reply> {
    try {
      return await this.#handle(request)
    } catch (thrown) {
      const error = systemError(thrown, 'go on')
      if (error instanceof ToolError)
        return { ok: false, code: error.code, message: error.message, status: error.status }
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { ok: false, code: 'BUG', message: stack.split('\n', 1)[0] ?? '', status: 1, stack }
    }
  }

  async #handle(request: Request): Promise<Reply> {
    if (request.op === 'start') {
      this.#setup = ExecutorSetup.start(request, write, this.#parts)
      return { ok: true, form: this.#setup.form }
    }
    const setup = this.#setup
    if (setup === undefined) throw new Error('the executor was not started')
    await work(setup, request)
    return { ok: true }
  }
}

async function work(setup: ExecutorSetup, request: Exclude<Request, { op: 'start' }>): Promise<void> {
  switch (request.op) {
    case 'unpack':
      return await unpackLayers(setup, request)
    case 'restore':
      return await restoreStep(setup, request)
    case 'merge':
      return await mergeStep(setup, request)
    case 'step':
      return await executeStep(setup, request)
    case 'pack':
      return await packStep(setup, request)
  }
}

function write(line: Note | Numbered<Reply>): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`)
}
