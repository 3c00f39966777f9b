import { createHash } from 'node:crypto'
import path from 'node:path'
import { type Caller, callerOf, checkEmulator, formOf } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import {
  type CreationTime,
  creationTime,
  formatPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  platformOfNode,
} from '@pipelayer/oci'
import { remoteOptions } from '@pipelayer/places'
import type { BuildMachine, RunRules } from '@pipelayer/planning'
import {
  ContextFolders,
  contextName,
  FileDigests,
  type NamedContext,
  RemoteSources,
  readContext,
  readNamedContext,
  TempFolders,
} from '@pipelayer/sources'
import { StepCache } from '@pipelayer/step-cache'
import { parseSecret } from '@pipelayer/steps'
import { Store } from '@pipelayer/store'
import type { SourceSetup } from './build-sources.js'
import type { KfRunOptions, StepOptions } from './options.js'
import { parseSsh } from './ssh-option.js'

/** What all images of a build share: its checked options, its store and its context. */
export interface PreparedBuild {
  readonly store: Store
  readonly cache: StepCache
  readonly caller: Caller
  readonly time: CreationTime
  readonly buildArgs: ReadonlyMap<string, string>
  readonly platforms: readonly Platform[]
  readonly machine: BuildMachine
  readonly runs: RunRules
  readonly sources: SourceSetup
  readonly remotes: RemoteSources
  /** Folders for the duration of the build. The caller closes them. */
  readonly temp: TempFolders
}

/**
 * Reads and checks the options, opens store and context.
 *
 * @param dockerfile - the file that the instructions come from, for its .dockerignore
 * @throws {ToolError} `OPTION_INVALID`, status 2; `TIME_INVALID`, `CONTEXT_INVALID`, `PLATFORM_INVALID`
 */
export function prepareBuild(options: KfRunOptions, dockerfile: string | undefined): PreparedBuild {
  const { env, signal, build = {} } = options
  const store = Store.open(options.store)
  const buildArgs = new Map((build.args ?? []).flatMap(text => buildArg(text, env)))
  const sourceDateEpoch = buildArgs.get('SOURCE_DATE_EPOCH') ?? env.SOURCE_DATE_EPOCH
  const time = creationTime({ sourceDateEpoch, created: build.created, now: options.now })
  const caller = callerOf(env)
  const cache = new StepCache(store, formOf(caller))
  const machine = platformOfNode(process)
  const runs = runRules(options.steps, { env, cacheDir: cache.cacheDir() })
  const places = placesOf(options, store)
  const onWarning = options.say?.warn
  const reach = { store, env, signal, retry: places.registries?.retry, secrets: runs.secrets, onWarning }
  const temp = new TempFolders(store)
  const remotes = new RemoteSources(reach, temp)
  return {
    store,
    cache,
    caller,
    time,
    buildArgs: sourceDateEpoch ? new Map([['SOURCE_DATE_EPOCH', sourceDateEpoch], ...buildArgs]) : buildArgs,
    platforms: platformsOf(build.platform, machine),
    machine: { ...machine, checkEmulator },
    runs,
    sources: {
      context: build.context === undefined ? undefined : readContext(build.context, dockerfile),
      contexts: new Map((build.contexts ?? []).map(namedContext)),
      folders: new ContextFolders(reach, remotes, temp),
      files: new FileDigests(digestsFile(store, build.context)),
      epoch: time.epoch,
      places,
    },
    remotes,
    temp,
  }
}

function platformsOf(text: string | undefined, machine: Platform): Platform[] {
  if (text === undefined) return [machine]
  const platforms = text.split(',').map(each => normalizePlatform(parsePlatform(each)))
  return [...new Map(platforms.map(each => [formatPlatform(each), each])).values()]
}

function runRules(
  { network = 'host', allow = [], secrets = [], ssh = [] }: StepOptions,
  { env, cacheDir }: Pick<KfRunOptions, 'env'> & Pick<RunRules, 'cacheDir'>,
): RunRules {
  return {
    network,
    allow: new Set(allow.map(allowance)),
    secrets: new Map(secrets.map(text => parseSecret(text, env))),
    ssh: new Map(ssh.map(text => parseSsh(text, env))),
    cacheDir,
  }
}

/** The mirrors, credentials and certificates of this machine, as in every tool that asks registries. */
function placesOf(options: KfRunOptions, store: Store): SourceSetup['places'] {
  const { env, signal, say, registries: { pull = false, ...access } = {} } = options
  const inform = say?.info === undefined ? {} : { inform: say.info }
  const warn = (message: string): void => say?.warn?.(message)
  return { ...remoteOptions(access, { env, signal, warn }), store, pull, env, signal, ...inform }
}

/** The file in which the store remembers the digests of a context's files. */
function digestsFile(store: Store, context: string | undefined): string | undefined {
  if (context === undefined) return undefined
  const name = createHash('sha256').update(path.resolve(context)).digest('hex')
  const file = path.join(store.folder('contexts'), name)
  // The digests are written only when a file has changed, and are spared by garbage collection as long as they are used.
  store.touch(file)
  return file
}

function buildArg(text: string, env: KfRunOptions['env']): [string, string][] {
  const at = text.indexOf('=')
  const name = at < 0 ? text : text.slice(0, at)
  if (name === '') throw invalid(`--build-arg ${text}: a name stands before the "="`)
  const value = at < 0 ? env[name] : text.slice(at + 1)
  return value === undefined ? [] : [[name, value]]
}

function namedContext(text: string): [string, NamedContext] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1)
    throw invalid(`--build-context ${text}: expected NAME=DIR or NAME=PLACE`)
  const [name = '', platform] = text.slice(0, at).split('::', 2)
  const key = contextName(name) + (platform === undefined ? '' : `::${platform}`)
  return [key, readNamedContext(text.slice(at + 1))]
}

function allowance(text: string): string {
  // `network.host` is accepted, and means nothing: every RUN has the network of the host unless told otherwise.
  if (text === 'security.insecure' || text === 'network.host') return text
  throw invalid(`--allow ${text}: known are security.insecure and network.host`)
}

function invalid(why: string): ToolError {
  return new ToolError('OPTION_INVALID', why, { status: 2 })
}
