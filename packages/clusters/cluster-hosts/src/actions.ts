/**
 * Does an action on a host. Every action can be done again.
 *
 * @module
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { ToolError } from '@pipelayer/errors'
import type { HostAction, HostCommand, PlacedLayer } from '@pipelayer/records'
import { bringBlob, failed } from './blobs.js'
import { commandWords, runJob } from './jobs.js'
import { BLOBS } from './places.js'
import type { Connections, SshTarget } from './ssh.js'

/** Writes stdin to the file `$1` with the mode `$2`: whole or not at all. */
const PLACE =
  'umask 077; mkdir -p "$(dirname "$1")" && cat > "$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'
/** Sets the one line of the file `$1` whose last word is `$2` to `$3`; without `$3` there is none. The file stays itself. */
const LINE = `
[ -e "$1" ] || : > "$1"
KEY=$2 awk '$NF != ENVIRON["KEY"]' "$1" > "$1.new" && { [ -z "$3" ] || printf '%s\\n' "$3" >> "$1.new"; } &&
  { cmp -s "$1" "$1.new" || cat "$1.new" > "$1"; }; status=$?; rm -f "$1.new"; exit $status
`
/** Unpacks the tar of the blob \`$2\` into the folder \`$1\`. The rest are patterns that are left out. */
const UNPACK = `
dir=$1 blob=$2; shift 2
mkdir -p "$dir" && cd "$dir" || exit 1
case $(head -c 2 "$blob" | od -An -tx1 | tr -d ' ') in 1f8b) gzip -dc < "$blob" ;; *) cat "$blob" ;; esac | tar -xpf - "$@"
`
/** The last step of unpacking: what was there under the name goes. */
const RENAME = 'rm -rf "$2.old"; [ ! -e "$2" ] || mv "$2" "$2.old"; mv "$1" "$2" && rm -rf "$2.old"'

export interface Doing {
  readonly connections: Connections
  readonly target: SshTarget
  /** Values of the secrets that were minted. */
  readonly secrets: Map<string, string>
  /** The folder of the job, for a command, and whether it is run although it ended well before. */
  readonly job: string
  readonly again: boolean
  /** Where a blob lies here. */
  blobPath(digest: string): string
  /** Gets what a command says. */
  onOutput(chunk: Buffer): void
  readonly signal: AbortSignal
  /** Seconds that a command may take. */
  readonly timeout?: number | undefined
}

/** @throws ToolError `HOST_FAILED` with what the host said, `HOST_UNREACHABLE`, `SECRET_MISSING`, `DIGEST_MISMATCH` */
export async function act(action: HostAction, doing: Doing): Promise<void> {
  if ('run' in action) return run(action.run, doing)
  if ('mint' in action) return mint(action.mint, doing)
  if ('wait' in action) return wait(action.wait, doing)
  if ('unpack' in action) return unpack(action.unpack, doing)
  if ('files' in action)
    for (const { path, mode = '0644', content } of action.files)
      await ask(doing, ['sh', '-c', PLACE, 'sh', path, mode], {
        what: `write ${path}`,
        stdin: withSecrets(content, doing.secrets),
      })
  else if ('lines' in action)
    for (const { file, key, line = '' } of action.lines)
      await ask(doing, ['sh', '-c', LINE, 'sh', file, key, line], {
        what: `set the line of ${key} in ${file}`,
      })
  else if ('remove' in action)
    await ask(doing, ['rm', '-rf', '--', ...action.remove.map(removable)], { what: 'remove files' })
  else
    throw new ToolError('PLAN_INVALID', `nobody knows what to do for ${JSON.stringify(Object.keys(action))}`)
}

/** True where a command says that there is nothing left to do. */
export async function isDone(check: HostCommand, { connections, target }: Doing): Promise<boolean> {
  const { status } = await connections.run(target, { argv: commandWords(check), timeout: 60 })
  return status === 0
}

async function run(command: HostCommand, doing: Doing): Promise<void> {
  const { connections, target, job, again, onOutput, timeout } = doing
  const { status, said } = await runJob(connections, target, {
    command,
    options: { folder: job, again, onOutput, timeout },
  })
  if (status !== 0) throw failed(target, `run ${command.argv[0]} (status ${status})`, said)
}

async function mint(command: Extract<HostAction, { mint: unknown }>['mint'], doing: Doing): Promise<void> {
  const { connections, target, secrets } = doing
  const { status, stdout, stderr } = await connections.run(target, {
    argv: commandWords(command),
    timeout: 120,
  })
  if (status !== 0) throw failed(target, `run ${command.argv[0]} (status ${status})`, stderr)
  for (const [name, pattern] of Object.entries(command.secrets)) {
    const value = new RegExp(pattern, 'm').exec(stdout)?.[1]
    if (value === undefined) throw failed(target, `mint ${name}`, `the output of ${command.argv[0]} has none`)
    secrets.set(name, value)
  }
}

async function wait(command: Extract<HostAction, { wait: unknown }>['wait'], doing: Doing): Promise<void> {
  const { connections, target, signal } = doing
  const end = Date.now() + command.seconds * 1000
  for (;;) {
    const { status, stdout, stderr } = await connections.run(target, { argv: commandWords(command) })
    if (status === 0) return
    if (Date.now() >= end)
      throw failed(
        target,
        `see ${command.argv.join(' ')} succeed within ${command.seconds} seconds`,
        stdout + stderr,
      )
    await sleep(command.every * 1000, undefined, { signal })
  }
}

async function unpack(
  { to, layers, except = [] }: Extract<HostAction, { unpack: unknown }>['unpack'],
  doing: Doing,
): Promise<void> {
  const { connections, target } = doing
  const part = `${removable(to)}.part`
  await ask(doing, ['rm', '-rf', '--', part], { what: 'remove what an earlier try left' })
  const omitted = ['.wh.*', ...except.flatMap(path => [path, `${path}/*`, `./${path}`, `./${path}/*`])]
  for (const layer of layers) {
    await bringBlob(connections, target, { layer, file: doing.blobPath(layer.digest) })
    await removeLower(part, layer, doing)
    const blob = `${BLOBS}/${layer.digest.replace(/^sha256:/, '')}`
    const words = ['sh', '-c', UNPACK, 'sh', part, blob, ...omitted.map(pattern => `--exclude=${pattern}`)]
    await ask(doing, words, { what: `unpack ${layer.digest}` })
  }
  await ask(doing, ['sh', '-c', RENAME, 'sh', part, to], { what: `name ${to}` })
}

/** Takes away what a layer removes of those below. */
async function removeLower(root: string, { removes = [] }: PlacedLayer, doing: Doing): Promise<void> {
  const paths = removes.map(path => {
    if (!path.startsWith('/') && !path.split('/').some(part => part === '..' || part === ''))
      return `${root}/${path}`
    throw new ToolError(
      'PLAN_INVALID',
      `a layer removes ${JSON.stringify(path)}, which is no path below its root`,
    )
  })
  if (paths.length > 0)
    await ask(doing, ['rm', '-rf', '--', ...paths], { what: 'remove what a layer takes away' })
}

async function ask(
  doing: Doing,
  argv: readonly string[],
  { what, stdin }: { readonly what: string; readonly stdin?: string },
): Promise<void> {
  const { connections, target } = doing
  const { status, stdout, stderr } = await connections.run(target, {
    argv,
    ...(stdin !== undefined && { stdin }),
  })
  if (status !== 0) throw failed(target, what, stderr || stdout)
}

/** A path that may be removed: absolute, and no folder that a system stands on. */
function removable(path: string): string {
  const parts = path.split('/').filter(part => part !== '')
  if (path.startsWith('/') && parts.length >= 2 && !parts.includes('..')) return path
  throw new ToolError(
    'PLAN_INVALID',
    `${JSON.stringify(path)} is not removed: a plan names folders of its own, from / on`,
  )
}

function withSecrets(content: string, secrets: ReadonlyMap<string, string>): string {
  return content.replace(/<secret:([a-z0-9-]+)>/g, (_, name: string) => {
    const value = secrets.get(name)
    if (value !== undefined) return value
    throw new ToolError(
      'SECRET_MISSING',
      `no operation of this run has minted the secret "${name}": run the plan as a whole`,
    )
  })
}
