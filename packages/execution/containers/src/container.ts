import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { type ChrootCommand, type ChrootTools, chrootCommand } from './chroot.js'
import { HeldLine, runtimeProblem } from './runtime-log.js'
import { type ContainerRequest, runtimeSpec } from './runtime-spec.js'
import { type Output, openOutput } from './step-output.js'

/** What `--runtime` may ask for; `auto` takes the first that works. */
export type RuntimeName = 'auto' | 'runc' | 'crun' | 'chroot'

/** What runs a step: an OCI runtime, or chroot in new namespaces. */
export type Runtime =
  | { readonly kind: 'oci'; readonly program: string; readonly name: string }
  | { readonly kind: 'chroot'; readonly tools: ChrootTools }

/** How a command ended: its status, 128 and the number more after a signal. */
export interface Ended {
  readonly status: number
  readonly signal?: NodeJS.Signals
  /** Why the runtime could not start it. */
  readonly problem?: string
}

export interface ContainerPlaces {
  /** For the runtime's state; below it, so that whoever cleans up can ask the runtime to. */
  readonly state: string
  /** In memory: a config may hold secrets. */
  readonly bundles: string
  /** For what runtime and step write. */
  readonly output: Output
}

/** Of the runtime itself: nothing of the user's or the step's. */
const PLAIN_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }

let count = 0

/** Runs a container to its end, its output going where it is wanted as it comes. */
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

/** Runs a program to its end; without `output` it writes to our stderr. */
export async function runProgram(
  command: ChrootCommand & { readonly cwd?: string },
  output?: Output,
): Promise<Ended> {
  // stdout is the line to kf-run, which only the executor may write to.
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
