import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { type Caller, IN_NAMESPACES, startInside } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import type { Note, Numbered, Reply, Request, StartRequest, TreeForm } from '@pipelayer/steps'
import { isOrphan } from '@pipelayer/sys'

export interface ExecutorOptions {
  /** The program: `node SCRIPT`. */
  readonly script: string
  /** A new directory on the file system of the store, which only we can read. It is removed when the executor ends. */
  readonly work: string
  readonly runtime: StartRequest['runtime']
  readonly overlays: StartRequest['overlays']
  readonly env: Readonly<Record<string, string | undefined>>
  readonly caller: Caller
  readonly signal: AbortSignal
  readonly onNote: (note: Note) => void
}

/**
 * Removes what an executor has left behind: containers that the runtime still knows, cgroups of containers that were
 * killed before the runtime had recorded them, and the work directory.
 */
const CLEAN = `
for state in "$WORK"/runtime/*; do
  [ -d "$state" ] || continue
  id=\${state##*/}
  for runtime in runc crun; do
    command -v $runtime >/dev/null && $runtime --root "$WORK/runtime" delete --force "$id" >/dev/null 2>&1
  done
  tries=0
  while find /sys/fs/cgroup -depth -type d -name "*$id*" -exec rmdir {} + -print 2>/dev/null | grep -q .; do
    tries=$((tries + 1))
    [ $tries -lt 20 ] && sleep 0.1 || break
  done
done
rm -rf -- "$WORK"`

/**
 * A shell that survives a SIGKILL of kf-run, waits for the executor, and cleans up. If there is a user namespace, it
 * runs inside, since only the root of that namespace may remove files of other ids. Killing the shell kills the
 * executor (pdeathsig); killing the executor, which is process 1 of its namespace, kills all that runs and unmounts all
 * that it mounted.
 */
const AROUND = `
setpriv --pdeathsig KILL "$@"
status=$?
${CLEAN}
exit $status`

/** The child process that mounts and runs. It is started at the first step that the cache does not have. */
export class ExecutorChild {
  readonly #child: ChildProcess
  readonly #entered: Promise<void>
  readonly #lines: Interface
  readonly #ended: Promise<string>
  readonly #options: ExecutorOptions
  readonly #stop: () => void
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>()
  #count = 0
  #isClosed = false

  private constructor(options: ExecutorOptions) {
    this.#options = options
    const { caller, script, work } = options
    const { child, entered } = startInside(caller, [AROUND, ...IN_NAMESPACES, script], {
      stdin: 'pipe',
      stdout: 'pipe',
      env: { ...plain(options.env), WORK: work },
    })
    this.#child = child
    this.#entered = entered
    this.#ended = new Promise(resolve => {
      this.#child.on('error', error => resolve(error.message))
      this.#child.on('close', (code, signal) => resolve(signal ? `killed by ${signal}` : `status ${code}`))
    })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    this.#lines.on('line', line => this.#take(JSON.parse(line) as Note | Numbered<Reply>))
    this.#lines.on('close', () => this.#lost())
    // If the process has died, its end is reported, so a failed write need not be.
    this.#child.stdin?.on('error', () => {})
    this.#stop = () => this.#child.stdin?.destroy()
    options.signal.addEventListener('abort', this.#stop)
  }

  /** Starts the child, and finds out in which form it can keep trees. */
  static async start(options: ExecutorOptions): Promise<{ executor: ExecutorChild; form: TreeForm }> {
    await sweep(options)
    const executor = new ExecutorChild(options)
    const { work, runtime, overlays, env, caller } = options
    const xattrs = caller.kind === 'root' ? 'trusted' : 'user'
    if (caller.kind === 'user' && caller.problem !== undefined)
      options.onNote({ note: 'warning', message: `no user but root exists in steps: ${caller.problem}` })
    try {
      await executor.#entered
      const start = { op: 'start', work, xattrs, runtime, overlays, env: plain(env) } as const
      const reply = await executor.ask(start)
      return { executor, form: reply.form ?? 'overlay' }
    } catch (error) {
      await executor.close()
      throw error
    }
  }

  /**
   * Sends a request and waits for its reply. Other requests may be under way.
   *
   * @throws {ToolError} as the executor replied; `EXECUTOR_DIED` if it has ended
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

  /** Ends the child, and waits until its mounts and its work directory are gone. */
  async close(): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#stop)
    this.#child.stdin?.end()
    await this.#ended
    // The shell was killed before it could clean up, so it is done here.
    const { work } = this.#options
    if (fs.existsSync(work)) await clean(work, this.#options)
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

/**
 * Removes what killed builds of an ordinary user have left behind, which only root of the user namespace may remove.
 */
async function sweep(options: ExecutorOptions): Promise<void> {
  if (options.caller.kind !== 'user') return
  const folder = path.dirname(options.work)
  for (const name of fs.readdirSync(folder)) if (isOrphan(name)) await clean(path.join(folder, name), options)
}

async function clean(work: string, { caller, env }: Pick<ExecutorOptions, 'caller' | 'env'>): Promise<void> {
  const options = { stdin: 'ignore', stdout: 'ignore', env: { ...plain(env), WORK: work } } as const
  try {
    const { child, entered } = startInside(caller, [CLEAN], options)
    await Promise.all([once(child, 'close'), entered])
  } catch {
    // A build that cannot make a namespace reports that itself.
  }
  try {
    // Without a shell or a namespace nothing was made inside one, so all files are our own.
    fs.rmSync(work, { recursive: true, force: true })
  } catch {
    // The next build tries to remove it again.
  }
}

function plain(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
