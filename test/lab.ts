/**
 * A folder with a store, in which a test runs pipes.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import {
  type PipeOptions,
  type PipeResult,
  type RunningPipe,
  runPipe,
  type Scope,
  startPipe,
  tempDir,
} from '@pipelayer/testkit'

export interface Lab {
  readonly dir: string
  readonly store: string
  /** Runs a pipe to its end, whether it succeeds or not. */
  run(command: string, options?: PipeOptions): Promise<PipeResult>
  /** Runs a pipe, and throws its stderr if one of its processes does not end with status 0. */
  good(command: string, options?: PipeOptions): Promise<PipeResult>
  start(command: string, options?: PipeOptions): RunningPipe
  /** Writes files below the folder; a name that ends in `/` is a directory. */
  write(files: Readonly<Record<string, string>>): void
  path(...parts: readonly string[]): string
  /** The names in the index of an OCI layout (the store unless said). */
  tags(layout?: string): string[]
}

/** Makes a lab; all of its pipes get the variables of `env`. */
export function lab(t: Scope, env: PipeOptions['env'] = {}): Lab {
  const dir = tempDir(t, 'lab')
  const store = path.join(dir, 'store')
  const settle = (options: PipeOptions): PipeOptions => ({
    cwd: dir,
    ...options,
    env: { PIPELAYER_STORE: store, ...env, ...options.env },
  })
  const run = (command: string, options: PipeOptions = {}): Promise<PipeResult> =>
    runPipe(command, settle(options))
  return {
    dir,
    store,
    run,
    good: async (command, options) => good(command, await run(command, options)),
    start: (command, options = {}) => startPipe(command, settle(options)),
    write: files => writeFiles(dir, files),
    path: (...parts) => path.join(dir, ...parts),
    tags: (layout = store) => tagsOf(layout),
  }
}

function good(command: string, result: PipeResult): PipeResult {
  if (!result.timedOut && result.statuses.length > 0 && result.statuses.every(status => status === 0))
    return result
  throw new Error(
    `${command}\nended with ${result.statuses.join(' ')}${result.timedOut ? ', timed out' : ''}:\n${result.stderr.slice(-4000)}`,
  )
}

function writeFiles(dir: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(dir, name)
    fs.mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true })
    if (!name.endsWith('/')) fs.writeFileSync(file, content)
  }
}

function tagsOf(layout: string): string[] {
  const file = path.join(layout, 'index.json')
  if (!fs.existsSync(file)) return []
  const { manifests } = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    manifests: readonly { digest: string; annotations?: Record<string, string> }[]
  }
  return manifests.map(
    ({ digest, annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? digest,
  )
}

/** The last programs of every build pipe, after kf-parse. */
export function buildPipe(
  place: string,
  options: { readonly run?: string; readonly tag?: string } = {},
): string {
  const { run = '--context .', tag = 'app:1' } = options
  return `kf-run ${run} | ovl-diff | layer-pack | manifest-gen -t ${tag} | blob-put ${place}`
}
