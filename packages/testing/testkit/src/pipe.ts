import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** The root of the repository: the folder of nx.json above the test's own. */
export const ROOT: string = findRoot(process.cwd())

export interface PipeOptions {
  readonly cwd?: string
  /** Added to the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The content of stdin. Without it stdin is empty; with `open` it stays open and gives nothing. */
  readonly input?: string | Buffer | 'open'
  /** After this time the pipe is killed, and the result says so. */
  readonly timeoutMs?: number
}

export interface PipeResult {
  /** Exit status of each process of the pipe; 128 and the signal's number when one killed it. */
  readonly statuses: readonly number[]
  /** Exit status of the last process. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** The lines of stdout as JSON; throws when one is not. */
  records(): Record<string, unknown>[]
  readonly timedOut: boolean
}

export interface RunningPipe {
  /** Process id of the shell that started the pipe; its children are the pipe's processes. */
  readonly pid: number
  readonly child: ChildProcess
  readonly done: Promise<PipeResult>
}

/** Runs a pipe in the syntax of bash, with our tools first on PATH, and waits for its end. */
export function runPipe(command: string, options: PipeOptions = {}): Promise<PipeResult> {
  return startPipe(command, options).done
}

/** Starts a pipe; the processes are joined by true pipes, as a user's shell joins them. */
export function startPipe(command: string, options: PipeOptions = {}): RunningPipe {
  const script = `${command}\nprintf '%s ' "\${PIPESTATUS[@]}" >&3`
  const child = spawn('bash', ['-c', script], {
    cwd: options.cwd,
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  if (child.pid === undefined) throw new Error('bash cannot be started')
  feed(child, options.input)
  return { pid: child.pid, child, done: collect(child, options.timeoutMs ?? 120_000) }
}

function environment(extra: PipeOptions['env'] = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    PATH: `${path.join(ROOT, 'bin')}:${process.env.PATH}:/usr/sbin:/sbin`,
  }
  // Reading the bundle of NODE_EXTRA_CA_CERTS takes 100 ms at each start of Node.
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SOURCE_DATE_EPOCH', 'PIPELAYER_STORE', 'TAP']) delete env[name]
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined) delete env[name]
    else env[name] = value
  }
  return env
}

function feed(child: ChildProcess, input: PipeOptions['input'] = ''): void {
  // A tool that ends early closes its stdin: EPIPE here is no fault of the test.
  child.stdin?.on('error', () => {})
  if (input !== 'open') child.stdin?.end(input)
}

async function collect(child: ChildProcess, timeoutMs: number): Promise<PipeResult> {
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killGroup(child)
  }, timeoutMs)
  const streams = [child.stdout, child.stderr, child.stdio[3] as Readable | null]
  const [stdout = '', stderr = '', statusText = ''] = await Promise.all(
    streams.map(stream => (stream ? text(stream) : '')),
  )
  clearTimeout(timer)
  const statuses = statusText
    .trim()
    .split(' ')
    .filter(word => word !== '')
    .map(Number)
  const status = statuses.at(-1) ?? 255
  return { statuses, status, stdout, stderr, timedOut, records: () => parseLines(stdout) }
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
  } catch {
    // The process has ended by itself.
  }
}

function parseLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

function findRoot(start: string): string {
  for (let dir = start; dir !== '/'; dir = path.dirname(dir)) {
    if (fs.existsSync(path.join(dir, 'nx.json'))) return dir
  }
  throw new Error(`no nx.json above ${start}`)
}
