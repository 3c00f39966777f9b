import type { Chain, PlanRequest, Source, SourceFinder } from '@pipelayer/planning'
import type { BuildContext, ImagesAction } from '@pipelayer/steps'

/** What a cluster image is planned for, besides what every image needs. */
export interface ClusterRequest extends Omit<PlanRequest, 'sources'> {
  readonly sources: ClusterSources
  readonly cluster: ClusterRules
}

/** The sources of a build whose context is also read as a directory. */
export interface ClusterSources extends SourceFinder {
  /** The context as a directory; undefined if there is none. */
  folder(): Promise<BuildContext | undefined>
  /** A directory as a tree to copy from. */
  directory(context: BuildContext): Source
}

/** Where the trees of executed steps are. */
export interface ClusterTrees {
  /** The directories of a chain, nearest first, all of them there. */
  lowersOf(chain: Chain): Promise<readonly string[]>
}

/** What holds for cluster images alone. */
export interface ClusterRules {
  readonly trees: ClusterTrees
  /** RUN of a classic Kubefile works on this machine itself, as sealer's did. */
  readonly hostRun: boolean
  /** Leave the container images out of a cluster image. */
  readonly bareImages: boolean
  /** The type of the image, if the command line says one. */
  readonly type: string | undefined
  /** A guessed container image that cannot be brought ends the build. */
  readonly strict?: boolean
  /** How container images are fetched from their registries. */
  readonly registries: Pick<ImagesAction, 'plainHttp' | 'timeoutSeconds' | 'store'>
}
