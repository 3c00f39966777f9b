import type { Digest } from '@pipelayer/digest'
import type { Action, BuildContext, SourceRoot, TransferAction } from '@pipelayer/steps'
import type { Chain } from './stage-state.js'

/** A tree to copy from, before it is known in which form the executor keeps trees. */
export type TreeRef =
  | ({ readonly kind: 'context' } & BuildContext)
  | { readonly kind: 'chain'; readonly chain: Chain }

/** The files of a tree that an instruction reads. */
export type FilesWanted = Pick<TransferAction, 'sources' | 'parents' | 'excludes'>

/** A source of COPY, ADD or a mount: where it lies, and what stands for it in a cache key. */
export interface Source {
  readonly tree: TreeRef
  /** Of a context, a digest of what is asked for; of a stage or an image, what it was made by. */
  readonly key: (what: FilesWanted) => Digest
  /** Of a context: the state of what has a key, where that shows every change. */
  readonly state?: (key: Digest) => string | undefined
}

/** Makes a tree ready to be copied from. */
export type Locate = (tree: TreeRef) => Promise<SourceRoot>

/** A step that makes a layer. */
export interface LayerStep {
  /** Its line in the history. */
  readonly createdBy: string
  /** It lies on nothing: what is below it in its stage neither changes it nor is changed by it. */
  readonly linked?: true
  /** What it depends on, besides what lies below it. */
  readonly key: Readonly<Record<string, unknown>>
  /** What the executor is asked to do, should the cache not have it. */
  readonly action: (locate: Locate) => Promise<Action>
}
