import type { Digest } from '@pipelayer/digest'
import type { Action, BuildContext, SourceRoot, TransferAction } from '@pipelayer/steps'
import type { Chain } from './stage-state.js'

/** A tree to copy from, described before it is known in which form the executor keeps trees. */
export type TreeRef =
  | ({ readonly kind: 'context' } & BuildContext)
  | { readonly kind: 'chain'; readonly chain: Chain }

/** The files of a tree that an instruction reads. */
export type FilesWanted = Pick<TransferAction, 'sources' | 'parents' | 'excludes'>

/** A source of COPY, ADD or a mount: where it is, and what represents it in a cache key. */
export interface Source {
  readonly tree: TreeRef
  /** For a context, a digest of the wanted files; for a stage or an image, the key of what made it. */
  readonly key: (what: FilesWanted) => Digest
  /** For a context, the state of the files that have a key, if that state shows every change. */
  readonly state?: (key: Digest) => string | undefined
}

/** Prepares a tree to be copied from. */
export type Locate = (tree: TreeRef) => Promise<SourceRoot>

/** A step that makes a layer. */
export interface LayerStep {
  /** Its line in the history. */
  readonly createdBy: string
  /** The step is executed on an empty root: the files below it in its stage neither change it nor are changed by it. */
  readonly linked?: true
  /** What the step depends on, besides the chain below it. */
  readonly key: Readonly<Record<string, unknown>>
  /** What the executor has to do if no cache has the step. */
  readonly action: (locate: Locate) => Promise<Action>
}
