import type { Chain, PlanRequest, Source, SourceFinder } from '@pipelayer/planning'
import type { BuildContext, ImagesAction } from '@pipelayer/steps'

/** What a cluster image is planned for, besides what every image needs. */
export interface ClusterRequest extends Omit<PlanRequest, 'sources'> {
  readonly sources: ClusterSources
  readonly cluster: ClusterRules
  /** The directories of a chain, nearest first. All of them exist when this resolves. */
  readonly lowersOf: (chain: Chain) => Promise<readonly string[]>
}

/** The sources of a build whose context is also read as a directory. */
export interface ClusterSources extends SourceFinder {
  /** The context as a directory; undefined if there is none. */
  folder(): Promise<BuildContext | undefined>
  /** A directory as a tree to copy from. */
  directory(context: BuildContext): Source
}

/** Rules for cluster images only. */
export interface ClusterRules {
  /** RUN of a classic Kubefile works on this machine itself, as with sealer. */
  readonly hostRun: boolean
  /** Leave the container images out of a cluster image. */
  readonly bareImages: boolean
  /** How container images are fetched from their registries. */
  readonly registries: Pick<ImagesAction, 'plainHttp' | 'timeoutSeconds' | 'store'>
}
