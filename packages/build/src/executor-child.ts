import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { ToolError } from '@pipelayer/errors'
import type { Note, Numbered, Reply, Request, StartRequest, TreeForm } from './executor-protocol.js'

export interface ExecutorOptions {
  /** The program: `node SCRIPT`. */
  readonly script: string
  /** A new directory on the file system of the store, only ours: it is removed when the executor ends. */
  readonly work: string
  readonly runtime: StartRequest['runtime']
  readonly env: Readonly<Record<string, string | undefined>>
  /** As whom we run; anything but 0 takes a user namespace. */
  readonly uid: number
  readonly signal: AbortSignal
  readonly onNote: (note: Note) => void
}

/**
 * Survives a SIGKILL of kf-run, waits for the executor, and takes away what it leaves: containers that the runtime
 * still knows (their cgroups), then the work directory. Killing the shell kills the executor (pdeathsig); killing the
 * executor, which is process 1 of its namespace, kills all that runs and unmounts all that it mounted.
 */
const AROUND = `
setpriv --pdeathsig KILL "$@"
status=$?
for state in "$WORK"/runtime/*; do
  [ -d "$state" ] && for runtime in runc crun; do
    command -v $runtime >/dev/null && $runtime --root "$WORK/runtime" delete --force "\${state##*/}" >/dev/null 2>&1
  done
done
chmod -R u+rwX -- "$WORK" 2>/dev/null
rm -rf -- "$WORK"
exit $status`

/** The one child that mounts and runs. Started at the first step that the cache does not have. */
export class ExecutorChild {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly #ended: Promise<string>
  readonly #options: ExecutorOptions
  readonly #stop: () => void
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>()
  #count = 0
  #isClosed = false

  private constructor(options: ExecutorOptions) {
    this.#options = options
    const user = options.uid === 0 ? [] : ['--user', '--map-root-user']
    const command = [
      'unshare',
      ...user,
      '-mpf',
      '--kill-child',
      '--mount-proc',
      process.execPath,
      options.script,
    ]
    this.#child = spawn('sh', ['-c', AROUND, 'sh', ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...plain(options.env), WORK: options.work },
      // Of its own session: a Ctrl-C is for kf-run alone, which then ends it in order.
      detached: true,
    })
    this.#ended = new Promise(resolve => {
      this.#child.on('error', error => resolve(error.message))
      this.#child.on('close', (code, signal) => resolve(signal ? `killed by ${signal}` : `status ${code}`))
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    this.#lines.on('line', line => this.#take(JSON.parse(line) as Note | Numbered<Reply>))
    this.#lines.on('close', () => this.#lost())
    // A write to one that died is told by its end.
    this.#child.stdin?.on('error', () => {})
    this.#stop = () => this.#child.stdin?.destroy()
    options.signal.addEventListener('abort', this.#stop)
  }

  /** Starts it, and finds out how it can keep trees apart. */
  static async start(options: ExecutorOptions): Promise<{ executor: ExecutorChild; form: TreeForm }> {
    const executor = new ExecutorChild(options)
    const { work, runtime, env, uid } = options
    const xattrs = uid === 0 ? 'trusted' : 'user'
    try {
      const reply = await executor.ask({ op: 'start', work, xattrs, runtime, env: plain(env) })
      return { executor, form: reply.form ?? 'overlay' }
    } catch (error) {
      await executor.close()
      throw error
    }
  }

  /**
   * Sends a request and waits for its reply. Others may be under way.
   *
   * @throws {ToolError} as the executor replied; `EXECUTOR_DIED` when it is gone
   */
  async ask(request: Request): Promise<{ readonly form?: TreeForm }> {
    this.#options.signal.throwIfAborted()
    const id = this.#count++
    const replied = new Promise<Reply | undefined>(resolve => {
      if (this.#isClosed) resolve(undefined)
      else this.#waiting.set(id, resolve)
    })
    this.#child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`)
    const reply = await replied
    if (reply?.ok) return reply
    this.#options.signal.throwIfAborted()
    if (reply === undefined) throw await this.#died(request)
    if (reply.stack !== undefined) throw new Error(`in the executor: ${reply.stack}`)
    throw new ToolError(reply.code, reply.message, { status: reply.status })
  }

  /** Ends it and waits until its mounts and its work directory are gone. */
  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#stop)
    this.#child.stdin?.end()
    await this.#ended
    removeWork(this.#options.work)
  }

  #take(line: Note | Numbered<Reply>): void {
    if ('note' in line) {
      this.#options.onNote(line)
      return
    }
    this.#waiting.get(line.id)?.(line)
    this.#waiting.delete(line.id)
  }

  #lost(): void {
    this.#isClosed = true
    for (const settle of this.#waiting.values()) settle(undefined)
    this.#waiting.clear()
  }

  async #died(request: Request): Promise<ToolError> {
    const how = await this.#ended
    const hint =
      request.op === 'start'
        ? ': it needs the programs sh, setpriv and unshare, and the right to make namespaces (root, or user namespaces)'
        : ''
    return new ToolError('EXECUTOR_DIED', `the program that mounts and runs ended (${how})${hint}`, {
      status: 75,
    })
  }
}

// What the shell did not come to do, because it was killed too.
function removeWork(work: string): void {
  if (!fs.existsSync(work)) return
  const states = path.join(work, 'runtime')
  for (const id of fs.existsSync(states) ? fs.readdirSync(states) : [])
    for (const runtime of ['runc', 'crun'])
      spawnSync(runtime, ['--root', states, 'delete', '--force', id], { stdio: 'ignore' })
  spawnSync('chmod', ['-R', 'u+rwX', '--', work], { stdio: 'ignore' })
  fs.rmSync(work, { recursive: true, force: true })
}

function plain(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
