/**
 * What kf-run and its executor say to each other: one JSON object a line. Any number of requests are worked on at a time,
 * each answered by one reply; notes come in between. Names of files are binary strings.
 *
 * @module
 */
import type { RuntimeName } from '@pipelayer/containers'
import type { CacheMount, SecretMount, SshMount, TmpfsMount } from './mounts.js'

/** The directory that COPY and ADD read, and what of it is not there for them. */
export interface BuildContext {
  /** Absolute. */
  readonly dir: string
  readonly ignore: readonly string[]
  /** Files keep the owners that an archive gave them; else all belongs to root. */
  readonly keepsOwners?: boolean
}

/** Trees that can be copied from or bound. */
export type SourceRoot =
  /**
   * A directory of the user's: what .dockerignore's patterns match is not there, and all belongs to root, but where an
   * archive said to whom.
   */
  | ({ readonly kind: 'context' } & BuildContext)
  /** A stage or an image: directories as in `lowerdir`. */
  | { readonly kind: 'chain'; readonly lowers: readonly string[] }

export interface WorkdirAction {
  readonly kind: 'workdir'
  readonly path: string
  /** `user[:group]`, of directories that are made; empty for root. */
  readonly user: string
  readonly timeNs: string
}

/** What ADD took from the network, in the store or in a folder of this build. */
export type FetchedSource =
  | {
      readonly kind: 'file'
      /** How many of `sources` come before it. */
      readonly before: number
      readonly path: string
      readonly name: string
      /** Nanoseconds since 1970. */
      readonly timeNs: string
      readonly unpack: boolean
    }
  /** A directory; its contents are copied. */
  | { readonly kind: 'tree'; readonly before: number; readonly dir: string }

/** Bytes that a Dockerfile has itself: in base64, or of a long one the blob of the store. */
export type InlineContent =
  | { readonly content: string }
  | { readonly digest: string; readonly size: number; readonly path: string }

export interface TransferAction {
  readonly kind: 'transfer'
  readonly root: SourceRoot
  /** As written, variables expanded. */
  readonly sources: readonly string[]
  readonly fetched?: readonly FetchedSource[]
  readonly inline: readonly (InlineContent & { readonly name: string })[]
  readonly dest: string
  readonly workdir: string
  readonly chown?: string
  readonly chmod?: string
  readonly parents: boolean
  readonly excludes: readonly string[]
  /** Unpack sources that are tars. */
  readonly unpack: boolean
  /** A directory is copied as itself, below the destination, not its contents: as a Kubefile's COPY does. */
  readonly keepsNames?: boolean
  /** What the files of a context were when the key of the step was made. */
  readonly expected?: ExpectedFiles
  /** Nanoseconds since 1970, of what has no source: directories on the way, heredocs. */
  readonly timeNs: string
}

/** A digest over them, and where that shows every change, their state: it is compared first. */
export interface ExpectedFiles {
  readonly digest: string
  readonly state?: string
  readonly epoch?: number
}

export interface BoundTree {
  readonly type: 'bind'
  readonly target: string
  readonly root: SourceRoot
  readonly source: string
  readonly writable: boolean
}

/** A secret's bytes come from a file, or from kf-run's environment. */
export type SecretSource = { readonly file: string } | { readonly env: string }

export interface BoundSecret extends SecretMount {
  readonly from?: SecretSource
}

export interface BoundCache extends CacheMount {
  /** Where all caches are. */
  readonly dir: string
  /** The tree that a new one begins with, and what stands for it. */
  readonly origin?: { readonly root: SourceRoot; readonly key: string }
}

/** An agent's own socket, or files of private keys, for which one is started. */
export type AgentSource = { readonly socket: string } | { readonly keys: readonly string[] }

export interface BoundAgent extends SshMount {
  readonly target: string
  /** Absent when none was given. */
  readonly from?: AgentSource
  /** The step is told of this one, by SSH_AUTH_SOCK. */
  readonly told: boolean
}

export type StepMount = BoundTree | BoundCache | TmpfsMount | BoundSecret | BoundAgent

/** Where a script that a RUN brings as a heredoc lies while it runs. */
export const SCRIPT_DIR = '/dev/pipes'

export interface RunAction {
  readonly kind: 'run'
  /** The name of its output, as `Dockerfile:3`. */
  readonly place?: string
  readonly argv: readonly string[]
  readonly env: readonly (readonly [string, string])[]
  readonly cwd: string
  readonly user: string
  readonly network: 'host' | 'none'
  /** All capabilities and devices, nothing masked. */
  readonly insecure?: true
  /** A script to be found under /dev/pipes. */
  readonly script?: InlineContent & { readonly name: string }
  readonly mounts: readonly StepMount[]
  /** For a root filesystem that need not have a shell, see {@link runInRootfs}; else its own programs are run. */
  readonly programs?: 'any' | 'host'
}

/** Brings the container images that a root filesystem names into its registry. */
export interface ImagesAction {
  readonly kind: 'images'
  /** What is searched: the layers of this build without the base. */
  readonly fresh: SourceRoot
  /** `imageListWithAuth.yaml` of the context. */
  readonly list?: string
  readonly platform: string
  readonly plainHttp: boolean
  /** How long a registry may keep us waiting for one thing; as places have it, unless said. */
  readonly timeoutSeconds?: number
  /** The folder of the store. */
  readonly store: string
}

export type Action = WorkdirAction | TransferAction | RunAction | ImagesAction

export interface StepRequest {
  readonly op: 'step'
  readonly lowers: readonly string[]
  /** Where the step appears when it is done. */
  readonly dir: string
  readonly created: string
  readonly createdBy: string
  readonly action: Action
}

/** Unpacks a chain: lowest first. What is there already is left alone. */
export interface UnpackRequest {
  readonly op: 'unpack'
  readonly layers: readonly LayerToUnpack[]
}

/** A blob of the store, and what it must be. */
export interface LayerBlobFile {
  /** Its path. */
  readonly blob: string
  readonly digest: string
  readonly size: number
  readonly diffID: string
}

export interface LayerToUnpack extends LayerBlobFile {
  readonly dir: string
}

/** Makes the folder of a step from the layer that it was packed into; without a layer it changed nothing. */
export interface RestoreRequest {
  readonly op: 'restore'
  readonly lowers: readonly string[]
  readonly dir: string
  readonly created: string
  readonly createdBy: string
  readonly layer?: LayerBlobFile
}

/** Makes a whole tree of a step that lies on nothing and of what it was laid upon. */
export interface MergeRequest {
  readonly op: 'merge'
  /** Whole trees. */
  readonly tree: string
  readonly below: string
  readonly dir: string
  readonly created: string
  readonly createdBy: string
}

/** Packs what a step changed, in the usual way, and remembers it in the store. */
export interface PackRequest {
  readonly op: 'pack'
  readonly store: string
  readonly cacheKey: string
  readonly created: string
  /** Nearest first. */
  readonly lowers: readonly string[]
  /** An upper directory, or a whole tree. */
  readonly content: string
  readonly form: TreeForm
  readonly epoch?: number
}

export interface StartRequest {
  readonly op: 'start'
  readonly work: string
  readonly xattrs: 'trusted' | 'user'
  readonly runtime: RuntimeName
  readonly overlays: OverlayName
  /** Of kf-run, for secrets and for finding programs. */
  readonly env: Readonly<Record<string, string>>
}

/** What lays the trees of steps on each other; with none, each step is a whole copy. */
export type OverlayName = 'auto' | 'kernel' | 'fuse' | 'none'

export type Request = StartRequest | UnpackRequest | RestoreRequest | MergeRequest | StepRequest | PackRequest

/** How the executor keeps trees apart: overlay mounts, or whole copies. */
export type TreeForm = 'overlay' | 'tree'

export type Note =
  | { readonly note: 'warning' | 'info'; readonly message: string }
  /** Lines that a step wrote, a newline between them, as a binary string. */
  | { readonly note: 'output'; readonly from: string; readonly message: string }

/** A request has a number, which its reply repeats. */
export type Numbered<T> = T & { readonly id: number }

export type Reply =
  | { readonly ok: true; readonly form?: TreeForm }
  | {
      readonly ok: false
      readonly code: string
      readonly message: string
      readonly status: 1 | 2 | 75
      /** A bug, not an error that a user can understand. */
      readonly stack?: string
    }

/** What a step's folder holds: `upper` or `tree`, and this beside it. */
export interface StepNote {
  readonly created: string
  readonly createdBy: string
}
export const STEP_NOTE = 'step.json'
export const UPPER = 'upper'
export const TREE = 'tree'
