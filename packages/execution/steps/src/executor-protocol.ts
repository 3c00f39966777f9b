/**
 * The messages between kf-run and its executor: one JSON object a line. Any number of requests may be under way; each
 * is answered by one reply, and notes may come in between. Names of files are binary strings.
 *
 * @module
 */
import type { RuntimeName } from '@pipelayer/containers'
import type { CacheMount, SecretMount, SshMount, TmpfsMount } from './mounts.js'

/** The directory that COPY and ADD read, and the patterns of the files in it that do not exist for them. */
export interface BuildContext {
  /** Absolute. */
  readonly dir: string
  readonly ignore: readonly string[]
  /** Files keep the owners that an archive gave them; otherwise all files belong to root. */
  readonly keepsOwners?: boolean
}

/** Trees that can be copied from or bound. */
export type SourceRoot =
  /**
   * A directory of the user. Files that .dockerignore matches do not exist, and all files belong to root, unless an
   * archive names other owners.
   */
  | ({ readonly kind: 'context' } & BuildContext)
  /** A stage or an image: directories in the order of `lowerdir`. */
  | { readonly kind: 'chain'; readonly lowers: readonly string[] }

export interface WorkdirAction {
  readonly kind: 'workdir'
  readonly path: string
  /** `user[:group]`, the owner of directories that are made; empty for root. */
  readonly user: string
  readonly timeNs: string
}

/** A source that ADD fetched from the network: a blob of the store, or a folder of this build. */
export type FetchedSource =
  | {
      readonly kind: 'file'
      /** How many paths of `sources` come before it. */
      readonly before: number
      readonly path: string
      readonly name: string
      /** Nanoseconds since 1970. */
      readonly timeNs: string
      readonly unpack: boolean
    }
  /** A directory; its contents are copied. */
  | { readonly kind: 'tree'; readonly before: number; readonly dir: string }

/** Bytes that stand in the Dockerfile itself: in base64, or, if there are many, as a blob of the store. */
export type InlineContent =
  | { readonly content: string }
  | { readonly digest: string; readonly size: number; readonly path: string }

export interface TransferAction {
  readonly kind: 'transfer'
  readonly root: SourceRoot
  /** With variables expanded, otherwise as written. */
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
  /** Copy a directory itself below the destination, not only its contents, as COPY in a Kubefile does. */
  readonly keepsNames?: boolean
  /** The state of the context's files when the key of the step was made. */
  readonly expected?: ExpectedFiles
  /** The time of files without a source, such as directories on the way and heredocs, in nanoseconds since 1970. */
  readonly timeNs: string
}

/** A digest over the files, and their state, if it shows every change. The state is compared first. */
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
  /** The folder of all caches. */
  readonly dir: string
  /** The tree that a new cache starts with, and the key that represents it. */
  readonly origin?: { readonly root: SourceRoot; readonly key: string }
}

/** The socket of an agent, or files of private keys, for which an agent is started. */
export type AgentSource = { readonly socket: string } | { readonly keys: readonly string[] }

export interface BoundAgent extends SshMount {
  readonly target: string
  /** Absent when none was given. */
  readonly from?: AgentSource
  /** SSH_AUTH_SOCK of the step names this one. */
  readonly told: boolean
}

export type StepMount = BoundTree | BoundCache | TmpfsMount | BoundSecret | BoundAgent

/** Where the script of a RUN's heredoc is while the step runs. */
export const SCRIPT_DIR = '/dev/pipes'

export interface RunAction {
  readonly kind: 'run'
  /** The name of the step in its output, as `Dockerfile:3`. */
  readonly place?: string
  readonly argv: readonly string[]
  readonly env: readonly (readonly [string, string])[]
  readonly cwd: string
  readonly user: string
  readonly network: 'host' | 'none'
  /** Give the step all capabilities and devices, with nothing masked. */
  readonly insecure?: true
  /** A script to be found under /dev/pipes. */
  readonly script?: InlineContent & { readonly name: string }
  readonly mounts: readonly StepMount[]
  /** The root filesystem may have no shell, see {@link runInRootfs}. Absent: the programs of the image are run. */
  readonly programs?: 'any' | 'host'
}

/** Puts the container images that a root filesystem names into its registry. */
export interface ImagesAction {
  readonly kind: 'images'
  /** The tree that is searched for names: the layers of this build without the base. */
  readonly fresh: SourceRoot
  /** `imageListWithAuth.yaml` of the context. */
  readonly list?: string
  /** A context whose folders `charts`, `images/shim`, `images/skopeo` and `manifests` name images, too. */
  readonly context?: string
  readonly platform: string
  /** An image that is only guessed, and cannot be brought, is a failure as any other. */
  readonly strict?: boolean
  readonly plainHttp: boolean
  /** How many seconds a registry may make us wait for one document or blob; the default is that of places. */
  readonly timeoutSeconds?: number
  /** The folder of the store. */
  readonly store: string
}

export type Action = WorkdirAction | TransferAction | RunAction | ImagesAction

export interface StepRequest {
  readonly op: 'step'
  readonly lowers: readonly string[]
  /** Where the step is put when it is done. */
  readonly dir: string
  readonly created: string
  readonly createdBy: string
  readonly action: Action
}

/** Unpacks the layers of a chain, lowest first. Layers that are unpacked already are left alone. */
export interface UnpackRequest {
  readonly op: 'unpack'
  readonly layers: readonly LayerToUnpack[]
}

/** A blob of the store, with the digests that it must have. */
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

/** Makes the folder of a step from the layer that it was packed into. Without a layer the step changed nothing. */
export interface RestoreRequest {
  readonly op: 'restore'
  readonly lowers: readonly string[]
  readonly dir: string
  readonly created: string
  readonly createdBy: string
  readonly layer?: LayerBlobFile
}

/** Makes a whole tree from a linked step and the chain that it is laid upon. */
export interface MergeRequest {
  readonly op: 'merge'
  /** Both are whole trees. */
  readonly tree: string
  readonly below: string
  readonly dir: string
  readonly created: string
  readonly createdBy: string
}

/** Packs the changes of a step in the usual encoding, and remembers the layer in the store. */
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
  /** The environment of kf-run, for secrets and for finding programs. */
  readonly env: Readonly<Record<string, string>>
}

/** How the trees of steps are laid upon each other; with `none`, each step is a whole copy. */
export type OverlayName = 'auto' | 'kernel' | 'fuse' | 'none'

export type Request = StartRequest | UnpackRequest | RestoreRequest | MergeRequest | StepRequest | PackRequest

/** How the executor keeps trees: as directories for overlay mounts, or as whole copies. */
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
      /** Is there for a bug of the program, as opposed to an error that a user can understand. */
      readonly stack?: string
    }

/** The note in the folder of a step, beside `upper` or `tree`. */
export interface StepNote {
  readonly created: string
  readonly createdBy: string
  /**
   * The folders of the steps and layers that the step was executed on, by their paths in the store: `steps/root/9d...`.
   * They are kept as long as the step: if one were executed anew, its content could differ from what this step saw.
   */
  readonly below?: readonly string[]
}
export const STEP_NOTE = 'step.json'
export const UPPER = 'upper'
export const TREE = 'tree'
