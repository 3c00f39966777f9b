/**
 * What a plan is made of.
 *
 * @module
 */

import type { Cluster, ClusterHost, Plugin, Variables } from '@pipelayer/clusterfile'
import type { HostFacts, PlacedLayer } from '@pipelayer/records'

/** A cluster image, as far as a plan reads it. */
export interface PlannedImage {
  /** The name under which it was found. */
  readonly name: string
  /** The digest of its manifest or index. */
  readonly digest: string
  /** The layers for each architecture, base first. */
  readonly layers: ReadonlyMap<string, readonly PlacedLayer[]>
  /** Texts of its files: templates, plugins, settings. By path below its root, without a slash at the head. */
  readonly files: ReadonlyMap<string, string>
  /** Paths of all of its files and directories. */
  readonly paths: ReadonlySet<string>
  /** What runs on the first master when the cluster stands: each a command line of a shell. */
  readonly commands: readonly string[]
  readonly variables: Variables
}

/** How the plan is made. */
export interface PlanContext {
  readonly cluster: Cluster
  readonly image: PlannedImage
  readonly facts: ReadonlyMap<string, HostFacts>
  readonly plugins: readonly Plugin[]
}

/** Where the root filesystem of a cluster's image lies on its hosts. */
export function rootfsOf({ cluster, image }: Pick<PlanContext, 'cluster' | 'image'>): string {
  return `${homeOf({ cluster })}/rootfs-${image.digest.replace(/^[^:]*:/, '').slice(0, 12)}`
}

/** Where everything of a cluster lies on its hosts. */
export function homeOf({ cluster }: Pick<PlanContext, 'cluster'>): string {
  return `/var/lib/pipelayer/clusters/${cluster.name}`
}

/** The host whose registry serves the images of the cluster: its first master. */
export function registryHost({ cluster }: Pick<PlanContext, 'cluster'>): ClusterHost {
  const [first] = cluster.hosts
  if (first === undefined) throw new Error('a plan is made for a cluster with hosts')
  return first
}

/** All that a host keeps of a cluster: its files, the journal and the jobs of its operations, the blobs of its image. */
export function kept(context: PlanContext, { address }: ClusterHost): readonly string[] {
  const { image, facts } = context
  const home = homeOf(context)
  const layers = image.layers.get(facts.get(address)?.architecture ?? '') ?? []
  const blobs = layers.map(({ digest }) => `/var/lib/pipelayer/blobs/${digest.replace(/^[^:]*:/, '')}`)
  return [home, `${home}.journal`, `${home}.jobs`, ...blobs]
}
