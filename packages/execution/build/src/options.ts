import { createHash, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import path from 'node:path'
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
import { REMOTE_OPTIONS, type RemoteOptions, remoteOptions } from '@pipelayer/places'
import { Store } from '@pipelayer/store'
import type { BaseOptions } from './base-image.js'
import { type Caller, callerOf, formOf } from './caller.js'
import {
  type ContextSource,
  contextName,
  type NamedContext,
  readContext,
  readNamedContext,
} from './context.js'
import { ContextFolders } from './context-folders.js'
import type { AgentSource, OverlayName, RuntimeName, SecretSource } from './executor-protocol.js'
import { FileDigests } from './file-digests.js'
import { type RemoteSetup, RemoteSources } from './remote-sources.js'
import { parseSecret } from './secrets.js'
import { parseSsh } from './ssh-option.js'
import { TempFolders } from './temp-folders.js'

/** The row of an option table for `timeoutSeconds`, as all tools have it that ask registries. */
export const TIMEOUT_OPTION = REMOTE_OPTIONS.timeout

/** What a build is asked for, as a command line says it. */
export interface BuildOptions {
  /** The store's folder. */
  readonly store: string
  /** Directory of the files that COPY and ADD take. */
  readonly context?: string | undefined
  /** `NAME=DIR` or `NAME=PLACE`: what FROM, --from and mounts may name. */
  readonly buildContexts?: readonly string[]
  /** `NAME=value`, or `NAME` for the value of that environment variable. */
  readonly buildArgs?: readonly string[]
  readonly target?: string | undefined
  /** `os/architecture[/variant]`, or several with commas; of this machine unless said. */
  readonly platform?: string | undefined
  readonly network?: 'host' | 'none'
  readonly runtime?: RuntimeName
  readonly overlays?: OverlayName
  /** Execute every step anew. */
  readonly noCache?: boolean
  /** Places that caches are taken from. */
  readonly cacheFrom?: readonly string[]
  /** Places that the cache of this build is put to. */
  readonly cacheTo?: readonly string[]
  /** Give each step as a snapshot, also one that is packed already. */
  readonly snapshots?: boolean
  /** Steps executed at the same time, where they do not need each other. */
  readonly parallel?: number | undefined
  /** Ask registries although the store has the image. */
  readonly pull?: boolean
  /** RUN of a Kubefile works on this machine itself, as sealer's did. */
  readonly hostRun?: boolean
  /** Bring no container images into a cluster image. */
  readonly bareImages?: boolean
  /** RFC 3339. */
  readonly created?: string | undefined
  /** `ID`, for the agent of `$SSH_AUTH_SOCK`, `ID=SOCKET`, or `ID=KEY[,KEY...]`, files of private keys. */
  readonly ssh?: readonly string[]
  /** What steps may ask for: `security.insecure`. */
  readonly allow?: readonly string[]
  /** `id=ID,src=FILE` or `id=ID,env=NAME`. */
  readonly secrets?: readonly string[]
  readonly plainHttp?: boolean
  /** How long a server may keep us waiting for one thing in all: see `Patience` of the registry's client. */
  readonly timeoutSeconds?: number | undefined
  /** The program of the executor, for node. */
  readonly executor: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly now: Date
  readonly onInfo?: (message: string) => void
  /** Lines that a step wrote, a newline between them; `from` is the step's place, as `Dockerfile:3`. */
  readonly onOutput?: (from: string, lines: Buffer) => void
  readonly onWarning?: (message: string) => void
}

/** The same, read and opened. */
export interface BuildSetup {
  readonly store: Store
  readonly context: ContextSource | undefined
  /** By {@link contextName}, perhaps with `::PLATFORM` behind. */
  readonly contexts: ReadonlyMap<string, NamedContext>
  /** Contents of files of contexts that were read already. */
  readonly files: FileDigests
  /** Directories of contexts, whatever they are. */
  readonly folders: ContextFolders
  readonly remotes: RemoteSources
  /** What the build alone needs of them: close it. */
  readonly temp: TempFolders
  readonly buildArgs: ReadonlyMap<string, string>
  readonly platform: Platform
  /** What we run on. */
  readonly machine: Platform
  readonly platformArgs: ReadonlyMap<string, string>
  readonly parsePlatform: (text: string) => Platform
  readonly network: 'host' | 'none'
  readonly snapshots: boolean
  readonly parallel: number
  readonly hostRun: boolean
  readonly bareImages: boolean
  readonly executor: string
  readonly secrets: ReadonlyMap<string, SecretSource>
  readonly ssh: ReadonlyMap<string, AgentSource>
  readonly allow: ReadonlySet<string>
  readonly time: CreationTime
  /** Nanoseconds since 1970, for files that a step makes out of nothing. */
  readonly timeNs: string
  readonly nonce?: string
  readonly caller: Caller
  /** Of its trees, see {@link formOf}. */
  readonly form: string
  readonly places: Omit<BaseOptions, 'platform'>
}

/** Fewer would make stages wait for each other that only wait for the network. */
const LEAST_PARALLEL = 4

/**
 * Reads and checks the options, opens store and context: one setup for each platform.
 *
 * @param dockerfile - the file that the instructions come from, for its .dockerignore
 * @throws {ToolError} `OPTION_INVALID`, status 2; `TIME_INVALID`, `CONTEXT_INVALID`, `PLATFORM_INVALID`
 */
export function prepareBuild(options: BuildOptions, dockerfile: string | undefined): readonly BuildSetup[] {
  const machine = platformOfNode(process)
  const common = prepareCommon(options, dockerfile)
  return platformsOf(options.platform, machine).map(platform => ({
    ...common,
    platform,
    machine,
    platformArgs: new Map([...platformArgs('BUILD', machine), ...platformArgs('TARGET', platform)]),
  }))
}

function platformsOf(text: string | undefined, machine: Platform): Platform[] {
  if (text === undefined) return [machine]
  const platforms = text.split(',').map(each => normalizePlatform(parsePlatform(each)))
  return [...new Map(platforms.map(each => [formatPlatform(each), each])).values()]
}

function prepareCommon(
  options: BuildOptions,
  dockerfile: string | undefined,
): Omit<BuildSetup, 'platform' | 'machine' | 'platformArgs'> {
  const { env, signal } = options
  const store = Store.open(options.store)
  const buildArgs = new Map((options.buildArgs ?? []).flatMap(text => buildArg(text, env)))
  const sourceDateEpoch = buildArgs.get('SOURCE_DATE_EPOCH') ?? env.SOURCE_DATE_EPOCH
  const time = creationTime({ sourceDateEpoch, created: options.created, now: options.now })
  const caller = callerOf(env)
  const places = {
    ...remotes(options),
    store,
    pull: options.pull ?? false,
    env,
    signal,
    plainHttp: options.plainHttp ?? false,
    ...(options.onInfo === undefined ? {} : { inform: options.onInfo }),
  }
  const secrets = new Map((options.secrets ?? []).map(text => parseSecret(text, env)))
  return {
    store,
    context: options.context === undefined ? undefined : readContext(options.context, dockerfile),
    ...fetching({ places, secrets, onWarning: options.onWarning }),
    files: new FileDigests(digestsFile(store, options.context)),
    contexts: new Map((options.buildContexts ?? []).map(namedContext)),
    buildArgs: sourceDateEpoch ? new Map([['SOURCE_DATE_EPOCH', sourceDateEpoch], ...buildArgs]) : buildArgs,
    parsePlatform: text => normalizePlatform(parsePlatform(text)),
    network: options.network ?? 'host',
    snapshots: options.snapshots ?? false,
    hostRun: options.hostRun ?? false,
    bareImages: options.bareImages ?? false,
    executor: options.executor,
    parallel: options.parallel ?? Math.max(LEAST_PARALLEL, availableParallelism()),
    secrets,
    ssh: new Map((options.ssh ?? []).map(text => parseSsh(text, env))),
    allow: new Set((options.allow ?? []).map(allowance)),
    time,
    timeNs: String(BigInt(Date.parse(time.created)) * 1_000_000n),
    ...(options.noCache ? { nonce: randomBytes(16).toString('hex') } : {}),
    caller,
    form: formOf(caller),
    places,
  }
}

/** Where the store remembers the digests of the files of a context. */
function digestsFile(store: Store, context: string | undefined): string | undefined {
  if (context === undefined) return undefined
  const name = createHash('sha256').update(path.resolve(context)).digest('hex')
  return path.join(store.root, 'contexts', name)
}

/** Mirrors, credentials and certificates of this machine, as for every tool that asks registries. */
function remotes(options: BuildOptions): RemoteOptions {
  const { env, signal, plainHttp = false, timeoutSeconds, onWarning } = options
  const none = { 'tls-ca': [], 'tls-cert': undefined, 'tls-key': undefined, rate: undefined }
  const timeout = timeoutSeconds ?? REMOTE_OPTIONS.timeout.default
  const warn = (message: string): void => onWarning?.(message)
  return remoteOptions({ ...none, timeout, 'plain-http': plainHttp }, { env, signal, warn })
}

function fetching(setup: RemoteSetup): Pick<BuildSetup, 'folders' | 'remotes' | 'temp'> {
  const temp = new TempFolders(setup.places.store)
  const remotes = new RemoteSources(setup, temp)
  return { temp, remotes, folders: new ContextFolders(setup, remotes, temp) }
}

function platformArgs(prefix: 'BUILD' | 'TARGET', platform: Platform): [string, string][] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ]
}

function buildArg(text: string, env: BuildOptions['env']): [string, string][] {
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
  // The network of the host is what every RUN has, unless it is told otherwise.
  if (text === 'security.insecure' || text === 'network.host') return text
  throw invalid(`--allow ${text}: known are security.insecure and network.host`)
}

function invalid(why: string): ToolError {
  return new ToolError('OPTION_INVALID', why, { status: 2 })
}
