import type { ClusterHost } from '@pipelayer/clusterfile'
import type { PlanContext, PlannedImage } from './context.js'
import type { Operations } from './operations.js'

/** A host that is ready for what a driver does, and the operation that made it so. */
export interface ReadyHost {
  readonly host: ClusterHost
  /** The id of the operation after which it is ready. */
  readonly ready: string
}

/** The host of an operation, and the ids of those before it. */
export interface OnHost {
  readonly host: ClusterHost
  readonly after: readonly string[]
}

/** How a kind of Kubernetes is made, changed and taken away. Each kind is one file. */
export interface Driver {
  readonly name: 'kubeadm' | 'k3s'
  /** Whether an image is of this kind. */
  fits(image: PlannedImage): boolean
  /** The command of kubectl on a master. */
  kubectl(context: PlanContext): readonly string[]
  /** Makes the first master, and what others need to join it. Returns the ids after which it stands. */
  start(operations: Operations, context: PlanContext, first: ReadyHost): readonly string[]
  /** Mints what others need to join a cluster that stands. Returns the ids. */
  invite(operations: Operations, context: PlanContext, after: readonly string[]): readonly string[]
  /** Adds hosts: masters one after the other, workers side by side. Returns the ids after which all are in. */
  join(
    operations: Operations,
    context: PlanContext,
    step: { readonly added: readonly ReadyHost[]; readonly after: readonly string[] },
  ): readonly string[]
  /** Takes one host out of its own cluster. Returns the id after which nothing of the cluster runs there. */
  reset(operations: Operations, context: PlanContext, step: OnHost): string
}
