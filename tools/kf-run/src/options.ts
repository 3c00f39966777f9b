import type { RuntimeName } from '@pipelayer/containers'
import type { Listener } from '@pipelayer/scheduler'
import type { OverlayName } from '@pipelayer/steps'

/** The options of a build, as a command line gives them. */
export interface KfRunOptions {
  /** The folder of the store. */
  readonly store: string
  /** The image that is built. */
  readonly build?: BuildOptions
  /** How steps are executed. */
  readonly steps: StepOptions
  /** The caches that steps are taken from. */
  readonly cache?: CacheOptions
  /** Options for Kubefiles only. */
  readonly cluster?: ClusterOptions
  /** How registries are reached. */
  readonly registries?: RegistryAccess
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly now: Date
  /** Receives the messages of the build. */
  readonly say?: Partial<Listener>
}

export interface BuildOptions {
  /** The directory whose files COPY and ADD copy. */
  readonly context?: string | undefined
  /** `NAME=DIR` or `NAME=PLACE`: names for FROM, --from and mounts. */
  readonly contexts?: readonly string[]
  /** `NAME=value`, or `NAME` for the value of that environment variable. */
  readonly args?: readonly string[]
  /** Name or number of a stage; the last one unless said. */
  readonly target?: string | undefined
  /** `os/architecture[/variant]`, or several with commas; the default is this machine's platform. */
  readonly platform?: string | undefined
  /** The time of the steps, as in RFC 3339. */
  readonly created?: string | undefined
}

export interface StepOptions {
  /** The file of the executor's program, for node. */
  readonly executor: string
  readonly network?: 'host' | 'none'
  readonly runtime?: RuntimeName
  readonly overlays?: OverlayName
  /** How many steps are executed at the same time, if they do not need each other. */
  readonly parallel?: number | undefined
  /**
   * `ID` stands for the agent of `$SSH_AUTH_SOCK`, `ID=SOCKET` for another one, and `ID=KEY[,KEY...]` for files of
   * private keys.
   */
  readonly ssh?: readonly string[]
  /** The rights that steps may ask for: `security.insecure`. */
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
  /** Write each step as a snapshot, even if it is packed already. */
  readonly snapshots?: boolean
}

export interface ClusterOptions {
  /** RUN of a Kubefile works on this machine itself, as with sealer. */
  readonly hostRun?: boolean
  /** Leave the container images out of a cluster image. */
  readonly bareImages?: boolean
  /** The type of a cluster image: see `checkImageType`. */
  readonly type?: string | undefined
  /** A guessed container image that cannot be brought ends the build. */
  readonly strict?: boolean
}

export interface RegistryAccess {
  /** Ask registries even if the store has the image. */
  readonly pull?: boolean
  /** Speak plain HTTP to registries that are not loopback. */
  readonly plainHttp?: boolean
  /**
   * How many seconds a server may make us wait for one document or blob in all: see `Patience` of the registry's
   * client.
   */
  readonly timeoutSeconds?: number | undefined
}
