/**
 * The program that mounts for a command and runs it, as process 1 of a pid namespace and in a mount namespace of its
 * own: when it ends, however that comes about, so do the mount and every process of the command.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import { errnoOf, messageOf, systemError, ToolError } from '@pipelayer/errors'
import { mountOrder } from './mounting.js'
import type { SessionOrder, SessionReply, SessionSignal } from './session-protocol.js'
import { unpackLayers } from './unpack.js'

const CONTROL_FD = 4

const control = new Socket({ fd: CONTROL_FD, readable: true, writable: true })
const lines = createInterface({ input: control })
const mask = process.umask(0o022)
let terminate = (): void => process.exit(1)
let isBegun = false

for (const each of [control, lines]) each.on('error', () => process.exit(1))
lines.on('close', () => process.exit(1))
lines.on('line', line => {
  const message = JSON.parse(line) as SessionOrder | SessionSignal
  if ('signal' in message) terminate()
  else if (!isBegun) {
    isBegun = true
    void serve(message)
  }
})

async function serve(order: SessionOrder): Promise<void> {
  let last: SessionReply
  try {
    const { layers, temporary, xattrs } = order
    await unpackLayers(layers, temporary, { xattrs, onWarning: warning => tell({ warning }) })
    mountOrder(order)
    tell({ mounted: true })
    last = { ended: await run(order.command) }
  } catch (thrown) {
    const error = systemError(thrown, 'go on')
    if (error instanceof ToolError) {
      const { code, message, status } = error
      last = { failure: { code, message, status } }
    } else last = { bug: error instanceof Error ? String(error.stack) : String(error) }
  }
  control.end(`${JSON.stringify(last)}\n`, () => process.exit(0))
}

function run([program = '', ...args]: readonly string[]): Promise<number> {
  process.umask(mask)
  // The working directory may be covered by the mount: it is entered anew, so that the command sees what is in it now.
  process.chdir(process.cwd())
  const child = spawn(program, args, { stdio: 'inherit' })
  terminate = () => void child.kill('SIGTERM')
  return new Promise((resolve, reject) => {
    child.on('error', error => reject(notRun(program, error)))
    child.on('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
}

function notRun(program: string, error: Error): ToolError {
  const why = errnoOf(error) === 'ENOENT' ? 'no such program' : messageOf(error)
  return new ToolError('COMMAND_NOT_RUN', `cannot run "${program}": ${why}`, { cause: error })
}

function tell(reply: SessionReply): void {
  control.write(`${JSON.stringify(reply)}\n`)
}
