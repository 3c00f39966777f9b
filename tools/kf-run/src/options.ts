import type { RuntimeName } from '@pipelayer/containers'
import type { OverlayName } from '@pipelayer/steps'

/** What a build is asked for, as a command line says it. */
export interface KfRunOptions {
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
