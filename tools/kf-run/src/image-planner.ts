import {
  ClassicBuilder,
  type ClusterRequest,
  classicPlan,
  kubefileRecords,
  NewerBuilder,
  SealosBuilder,
  sealosPlan,
} from '@pipelayer/cluster-build'
import { checkImageType } from '@pipelayer/kubefile'
import type { Platform } from '@pipelayer/oci'
import { Builder, checkStageUses, makePlan } from '@pipelayer/planning'
import type { InstructionRecord } from '@pipelayer/records'
import type { StepScheduler } from '@pipelayer/scheduler'
import { BuildSources } from './build-sources.js'
import type { BuildOptions, ClusterOptions, KfRunOptions, RegistryAccess, StepOptions } from './options.js'
import type { PreparedBuild } from './prepare.js'

/** Plans an image from a Dockerfile, or from a Kubefile in one of its dialects. */
export type ImagePlanner = Pick<Builder, 'outer' | 'target' | 'chains'>

/** The options of a build that concern planning. */
export type PlannerOptions = Pick<BuildOptions, 'target'> &
  ClusterOptions &
  RegistryAccess &
  Pick<StepOptions, 'executor'> &
  Pick<KfRunOptions, 'env'>

interface PlannedBuild {
  readonly prepared: PreparedBuild
  readonly platform: Platform
  readonly scheduler: StepScheduler
}

/**
 * Makes the planner for the kind of file that the instructions come from. One is needed for each platform.
 *
 * @throws {ToolError} `OPTION_INVALID` for a type that the dialect lacks; those of {@link makePlan} and
 * {@link classicPlan}
 */
export function plannerOf(
  instructions: readonly InstructionRecord[],
  options: PlannerOptions,
): (build: PlannedBuild) => ImagePlanner {
  const kubefile = kubefileRecords(instructions)
  checkImageType(options.type, kubefile?.[0]?.dialect ?? 'dockerfile')
  if (kubefile === undefined) {
    const plan = makePlan(instructions, options.target)
    checkStageUses(plan.stages)
    return build => new Builder(plan, requestOf(build, options))
  }
  if (kubefile[0]?.dialect === 'kubefile')
    return build => new NewerBuilder(kubefile, requestOf(build, options))
  if (kubefile[0]?.dialect === 'sealos') {
    const { target } = options
    sealosPlan(kubefile, target)
    return build => new SealosBuilder({ records: kubefile, target }, requestOf(build, options))
  }
  const plan = classicPlan(kubefile)
  return build => new ClassicBuilder(plan, requestOf(build, options))
}

function requestOf({ prepared, platform, scheduler }: PlannedBuild, options: PlannerOptions): ClusterRequest {
  const { machine, buildArgs, time, runs, remotes, store } = prepared
  return {
    platform,
    machine,
    buildArgs,
    time,
    runs,
    sources: new BuildSources(prepared.sources, platform),
    remotes,
    blobs: store,
    steps: scheduler,
    cluster: {
      trees: { lowersOf: chain => scheduler.trees.lowers(chain) },
      hostRun: options.hostRun ?? false,
      bareImages: options.bareImages ?? false,
      type: options.type,
      strict: options.strict ?? false,
      registries: {
        plainHttp: options.plainHttp ?? false,
        store: store.root,
        ...(options.timeoutSeconds !== undefined && { timeoutSeconds: options.timeoutSeconds }),
      },
    },
  }
}
