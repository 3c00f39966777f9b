/**
 * A mount that only a command sees.
 *
 * @module
 */
import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { formOf, IN_NAMESPACES, startInside } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord } from '@pipelayer/records'
import { type MountEntry, Store } from '@pipelayer/store'
import { ImageCollector } from './image-layers.js'
import { mountingOf } from './index.js'
import { type Mounting, type MountOrder, prepareMount, undoMount } from './mounting.js'
import { sweepMounts } from './mounts.js'
import type { MountJob, OvlMountOptions } from './options.js'
import { placesOf } from './places.js'
import type { SessionOrder, SessionReply } from './session-protocol.js'
import { explainDamage } from './unpack.js'

const SESSION = fileURLToPath(new URL('session.cjs', import.meta.url))

/** How long the command may take after a SIGTERM of ovl-mount. */
const PATIENCE_MS = 5000

/**
 * A shell that survives a SIGKILL of ovl-mount, waits for the session, and removes what was made for it. In a user
 * namespace it runs inside, since only the root of that namespace may remove files of other ids.
 *
 * Its variables have unusual names, because one that the user has exported would reach the command. Ctrl-C is for the
 * command.
 */
const AROUND = `
_ovl_temporary=$1 _ovl_work=$2 _ovl_target=$3
shift 3
trap : INT QUIT TERM HUP
setpriv --pdeathsig KILL "$@"
_ovl_status=$?
rm -rf -- "$_ovl_temporary"
if [ -n "$_ovl_work" ]; then rm -rf -- "$_ovl_work/work" "$_ovl_work/index"; rmdir -- "$_ovl_work"; fi 2>/dev/null
if [ -n "$_ovl_target" ]; then rmdir -- "$_ovl_target"; fi 2>/dev/null
exit $_ovl_status`

/**
 * Mounts, runs the command, and returns its exit status; the mount is gone then, also if any of the processes is killed.
 * Nothing is yielded: the command has stdout.
 *
 * @throws ToolError `COMMAND_NOT_RUN`; `SESSION_DIED`, status 75: the programs setpriv and unshare are missing, or
 *   namespaces are not allowed; `ID_MAP_FAILED`; those of `ovlMount`
 */
export async function* runInMount(
  records: AsyncIterable<AnyRecord>,
  options: OvlMountOptions,
): AsyncGenerator<Uint8Array, number, void> {
  const { job, caller } = options
  if (job.kind !== 'mount') throw new Error('there is nothing to mount')
  const places = placesOf(job)
  const store = Store.open(options.store)
  const collector = new ImageCollector()
  if (places.lowers === undefined) for await (const record of records) collector.see(record)
  const image = places.lowers === undefined ? collector.finish(store, formOf(caller)) : undefined
  sweepMounts(store.mounts(), options.onWarning)
  const mounting = { ...mountingOf(places, image, options), pid: process.pid }
  const layers = image?.layers ?? []
  const nothing: Uint8Array[] = []
  yield* nothing
  try {
    return await new Session(store, mounting, options).run(job.command ?? [], layers)
  } catch (error) {
    throw await explainDamage(error, layers, store)
  }
}

class Session {
  readonly #store: Store
  readonly #mounting: Mounting
  readonly #options: OvlMountOptions
  #last: SessionReply | undefined

  constructor(store: Store, mounting: Mounting, options: OvlMountOptions) {
    this.#store = store
    this.#mounting = mounting
    this.#options = options
  }

  async run(command: MountJob['command'] & {}, layers: SessionOrder['layers']): Promise<number> {
    const journal = this.#store.mounts()
    const temporary = this.#store.tempDir('mount')
    const { entry, order } = prepareMount(journal, this.#mounting)
    let status: number | undefined
    try {
      const { child, entered } = this.#start(temporary, entry, order)
      const ended = endOf(child)
      const line = child.stdio[4] as Duplex
      this.#listen(line, layers)
      line.write(`${JSON.stringify({ ...order, layers, temporary, command } satisfies SessionOrder)}\n`)
      await entered
      const how = await ended
      status = this.#statusOf(how)
      return status
    } finally {
      if (status === undefined) undoMount(journal, entry, this.#mounting)
      else journal.forget(entry)
      fs.rmSync(temporary, { recursive: true, force: true })
    }
  }

  #start(
    temporary: string,
    { note }: MountEntry,
    { work = '', target }: MountOrder,
  ): ReturnType<typeof startInside> {
    const made = [note.made.includes('work') ? work : '', note.made.includes('target') ? target : '']
    const { caller, env, isStdinFree } = this.#options
    const stdin = isStdinFree ? 'inherit' : terminal()
    try {
      return startInside(caller, [AROUND, temporary, ...made, ...IN_NAMESPACES, SESSION], {
        stdin,
        stdout: 'inherit',
        env,
        control: true,
        sharesTerminal: true,
      })
    } finally {
      if (typeof stdin === 'number') fs.closeSync(stdin)
    }
  }

  #listen(line: Duplex, layers: SessionOrder['layers']): void {
    const { signal, onWarning, onCommand } = this.#options
    const lines = createInterface({ input: line })
    // If the session has died, its end is reported, so a failed read or write need not be.
    for (const each of [line, lines]) each.on('error', () => {})
    lines.on('line', text => {
      const reply = JSON.parse(text) as SessionReply
      if ('warning' in reply) onWarning(reply.warning)
      else if ('mounted' in reply) {
        onCommand?.()
        for (const { dir } of layers) this.#store.touch(dir)
        // From now on the note of the mount protects its layers, and nobody has to wait for the command.
        this.#store.endLease()
      } else this.#last = reply
    })
    const stop = (): void => {
      line.write('{"signal":"SIGTERM"}\n')
      setTimeout(() => line.destroy(), PATIENCE_MS).unref()
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  }

  #statusOf(how: string): number {
    const last = this.#last
    if (last !== undefined && 'ended' in last) return last.ended
    this.#options.signal.throwIfAborted()
    if (last !== undefined && 'failure' in last)
      throw new ToolError(last.failure.code, last.failure.message, { status: last.failure.status })
    if (last !== undefined && 'bug' in last) throw new Error(`in the session: ${last.bug}`)
    throw new ToolError(
      'SESSION_DIED',
      `the program that mounts ended (${how}): it needs the programs sh, setpriv and unshare, and the right to make namespaces (root, or user namespaces)`,
      { status: 75 },
    )
  }
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', (code, signal) => resolve(signal === null ? `status ${code}` : `killed by ${signal}`))
  })
}

// Where records come from stdin, a command on a terminal reads that, as a shell does that a pipe starts.
function terminal(): number | 'ignore' {
  if (process.stdout.isTTY !== true) return 'ignore'
  try {
    return fs.openSync('/dev/tty', 'r+')
  } catch {
    return 'ignore'
  }
}
