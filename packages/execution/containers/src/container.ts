import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { type ChrootCommand, type ChrootTools, chrootCommand } from './chroot.js'
import { HeldLine, runtimeProblem } from './runtime-log.js'
import { type ContainerRequest, runtimeSpec } from './runtime-spec.js'
import { type Output, openOutput } from './step-output.js'

/** The values of `--runtime`; `auto` takes the first runtime that works. */
export type RuntimeName = 'auto' | 'runc' | 'crun' | 'chroot'

/** What runs a step: an OCI runtime, or chroot in new namespaces. */
export type Runtime =
  | { readonly kind: 'oci'; readonly program: string; readonly name: string }
  | { readonly kind: 'chroot'; readonly tools: ChrootTools }

/** How a command ended: its exit status, or 128 plus the number of the signal that killed it. */
export interface Ended {
  readonly status: number
  readonly signal?: NodeJS.Signals
  /** Why the runtime could not start it. */
  readonly problem?: string
}

export interface ContainerPlaces {
  /**
   * The folder of the runtime's state. It has a folder for each container, by which the clean-up finds those that still
   * exist.
   */
  readonly state: string
  /** The folder of bundles. It lies in memory, because a config may hold secrets. */
  readonly bundles: string
  /** Where the output of the runtime and of the step goes. */
  readonly output: Output
}

/** The environment of the runtime itself: it has no variable of the user or of the step. */
const PLAIN_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

let count = 0

/** Runs a container to its end, and passes its output on as it comes. */
export async function runContainer(
  runtime: Runtime,
  request: ContainerRequest,
  places: ContainerPlaces,
): Promise<Ended> {
  if (runtime.kind === 'chroot') return runProgram(chrootCommand(request, runtime.tools), places.output)
  const id = `kf-run-${path.basename(path.dirname(places.state)).slice(-12)}-${++count}`
  const bundle = path.join(places.bundles, id)
  fs.mkdirSync(bundle, { mode: 0o700 })
  fs.writeFileSync(path.join(bundle, 'config.json'), JSON.stringify(runtimeSpec(request)))
  try {
    const log = path.join(bundle, 'log.json')
    const logging = ['--root', places.state, '--log', log, '--log-format', 'json']
    const args = [...logging, 'run', '--no-new-keyring', '--bundle', bundle, id]
    const held = new HeldLine(places.output)
    const ended = await runProgram({ program: runtime.program, args, env: PLAIN_ENV }, held.output)
    const problem = ended.status === 0 ? undefined : runtimeProblem(log)
    held.end({ isRuntimes: problem !== undefined })
    return problem === undefined ? ended : { ...ended, problem }
  } finally {
    fs.rmSync(bundle, { recursive: true, force: true })
  }
}

/** Runs a program to its end. Without `output` it writes to our stderr. */
export async function runProgram(
  command: ChrootCommand & { readonly cwd?: string },
  output?: Output,
): Promise<Ended> {
  // stdout carries the replies to kf-run, so only the executor may write to it.
  const { fd, close } = openOutput(output)
  try {
    return await endOf(command, fd)
  } finally {
    await close()
  }
}

function endOf(command: ChrootCommand & { readonly cwd?: string }, fd: number): Promise<Ended> {
  return new Promise<Ended>((resolve, reject) => {
    const stdio: ['ignore', number, number] = ['ignore', fd, fd]
    const child = spawn(command.program, [...command.args], { stdio, env: command.env, cwd: command.cwd })
    child.on('error', error =>
      reject(
        new ToolError('PROGRAM_MISSING', `cannot run ${command.program}: ${error.message}`, { cause: error }),
      ),
    )
    child.on('close', (code, signal) =>
      resolve(signal === null ? { status: code ?? 1 } : { status: 128, signal }),
    )
  })
}
