/**
 * What speaks against a plan before anything is done: all of it at once.
 *
 * @module
 */

import { type ClusterHost, isMaster } from '@pipelayer/clusterfile'
import type { HostFacts } from '@pipelayer/records'
import type { PlanContext, PlannedImage } from './context.js'

/** Seconds by which clocks may differ: certificates of one host are not yet valid on another. */
const MAX_CLOCK_SECONDS = 5
const MASTER_PORTS = [6443, 2379, 2380, 10257, 10259]
const NODE_PORTS = [10250]

export interface Precheck {
  readonly severity: 'error' | 'warning'
  /** The host, where it is about one. */
  readonly host?: string
  readonly message: string
}

/** @param hosts - those that are added; of the others nothing is asked */
export function precheck(
  { cluster, image, facts }: PlanContext,
  hosts: readonly ClusterHost[],
): readonly Precheck[] {
  const masters = cluster.hosts.filter(isMaster)
  const found: Precheck[] = []
  if (masters.length === 0) found.push(wrong('the cluster has no master'))
  if (masters.length > 1 && masters.length % 2 === 0)
    found.push({
      severity: 'warning',
      message: `${masters.length} masters bear no more failures than ${masters.length - 1}: an odd number is usual`,
    })
  for (const host of hosts) {
    const known = facts.get(host.address)
    if (known === undefined) found.push(wrong('nothing is known of it: run cluster-facts', host))
    else found.push(...checkHost(host, known, image))
  }
  return found
}

function checkHost(host: ClusterHost, facts: HostFacts, image: PlannedImage): readonly Precheck[] {
  const { clockAhead = 0, swap, ports = [], freeBytes, os, architecture } = facts
  const layers = image.layers.get(architecture)
  const bytes = (layers ?? []).reduce((sum, { size }) => sum + size, 0)
  const needed = isMaster(host) ? [...MASTER_PORTS, ...NODE_PORTS] : NODE_PORTS
  const taken = needed.filter(port => ports.includes(port))
  const problems = [
    os !== 'linux' && `it runs ${os}, not linux`,
    layers === undefined &&
      `it is ${architecture}, and ${image.name} is made for ${[...image.layers.keys()].join(', ')}`,
    Math.abs(clockAhead) > MAX_CLOCK_SECONDS &&
      `its clock is ${Math.abs(Math.round(clockAhead))} seconds ${clockAhead > 0 ? 'ahead' : 'behind'}: set it, by NTP`,
    taken.length > 0 && `something listens on ${taken.join(', ')}, which the cluster needs`,
    // Blobs, and the files that are unpacked from them, which are two to three times as large.
    freeBytes !== undefined &&
      freeBytes < bytes * 4 &&
      `${freeBytes} bytes are free, and ${bytes * 4} are needed`,
  ]
  const errors = problems.filter(problem => problem !== false).map(problem => wrong(problem, host))
  if (swap !== true) return errors
  return [
    ...errors,
    {
      severity: 'warning',
      host: host.address,
      message: 'it swaps, which kubelet refuses unless told otherwise',
    },
  ]
}

function wrong(message: string, host?: ClusterHost): Precheck {
  return { severity: 'error', ...(host !== undefined && { host: host.address }), message }
}
