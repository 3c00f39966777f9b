import type { RuntimeName } from '@pipelayer/containers'
import type { Listener } from '@pipelayer/scheduler'
import type { OverlayName } from '@pipelayer/steps'

/** What a build is asked for, as a command line says it. */
export interface KfRunOptions {
  /** The store's folder. */
  readonly store: string
  /** What is built. */
  readonly build?: BuildOptions
  /** How steps are executed. */
  readonly steps: StepOptions
  /** Which steps are not executed, because somebody has them. */
  readonly cache?: CacheOptions
  /** What holds for Kubefiles alone. */
  readonly cluster?: ClusterOptions
  /** How registries are asked. */
  readonly registries?: RegistryAccess
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly now: Date
  /** Who hears of the build. */
  readonly say?: Partial<Listener>
}

export interface BuildOptions {
  /** Directory of the files that COPY and ADD take. */
  readonly context?: string | undefined
  /** `NAME=DIR` or `NAME=PLACE`: what FROM, --from and mounts may name. */
  readonly contexts?: readonly string[]
  /** `NAME=value`, or `NAME` for the value of that environment variable. */
  readonly args?: readonly string[]
  /** Name or number of a stage; the last one unless said. */
  readonly target?: string | undefined
  /** `os/architecture[/variant]`, or several with commas; of this machine unless said. */
  readonly platform?: string | undefined
  /** When steps were made, as in RFC 3339. */
  readonly created?: string | undefined
}

export interface StepOptions {
  /** The program of the executor, for node. */
  readonly executor: string
  readonly network?: 'host' | 'none'
  readonly runtime?: RuntimeName
  readonly overlays?: OverlayName
  /** Steps executed at the same time, where they do not need each other. */
  readonly parallel?: number | undefined
  /** `ID`, for the agent of `$SSH_AUTH_SOCK`, `ID=SOCKET`, or `ID=KEY[,KEY...]`, files of private keys. */
  readonly ssh?: readonly string[]
  /** What steps may ask for: `security.insecure`. */
  readonly allow?: readonly string[]
  /** `id=ID,src=FILE` or `id=ID,env=NAME`. */
  readonly secrets?: readonly string[]
}

export interface CacheOptions {
  /** Execute every step anew. */
  readonly isOff?: boolean
  /** Places that caches are taken from. */
  readonly from?: readonly string[]
  /** Places that the cache of this build is put to. */
  readonly to?: readonly string[]
  /** Give each step as a snapshot, also one that is packed already. */
  readonly snapshots?: boolean
}

export interface ClusterOptions {
  /** RUN of a Kubefile works on this machine itself, as sealer's did. */
  readonly hostRun?: boolean
  /** Bring no container images into a cluster image. */
  readonly bareImages?: boolean
}

export interface RegistryAccess {
  /** Ask registries although the store has the image. */
  readonly pull?: boolean
  /** Speak plain HTTP to registries that are not loopback. */
  readonly plainHttp?: boolean
  /** How long a server may keep us waiting for one thing in all: see `Patience` of the registry's client. */
  readonly timeoutSeconds?: number | undefined
}
