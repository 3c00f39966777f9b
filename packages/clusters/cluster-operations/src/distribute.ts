/**
 * The operations that every host gets, whatever runs on it: the root filesystem of the image, its settings, its script.
 *
 * @module
 */

import { type ClusterHost, mergeVariables } from '@pipelayer/clusterfile'
import { settingsFor } from './configs.js'
import { homeOf, type PlanContext, registryHost, rootfsOf } from './context.js'
import type { OnHost } from './driver.js'
import type { Operations } from './operations.js'
import { environmentOf } from './template.js'

/** Where Docker of the base images keeps its data. It is the first argument of init.sh. */
const DOCKER_ROOT = '/var/lib/docker'

/**
 * Adds what makes a host ready.
 *
 * @returns the id of the last operation
 */
export function prepare(operations: Operations, context: PlanContext, { host, after }: OnHost): string {
  const { image, cluster, facts } = context
  const root = rootfsOf(context)
  const isRegistry = registryHost(context).address === host.address
  const layers = image.layers.get(facts.get(host.address)?.architecture ?? '') ?? []
  const unpacked = operations.add('distribute', after, {
    name: 'rootfs',
    host: host.address,
    title: `unpack ${image.name}`,
    check: { argv: ['test', '-d', root] },
    do: { unpack: { to: root, layers, ...(!isRegistry && { except: ['registry'] }) } },
    undo: { remove: [root, homeOf(context)] },
  })
  const settings = settingsFor(context, host)
  const set =
    settings.length === 0
      ? unpacked
      : operations.add('distribute', [unpacked], {
          name: 'settings',
          host: host.address,
          title: `write ${settings.length} files of settings`,
          do: { files: settings },
        })
  const aliases = cluster.hostAliases.map(line => ({
    file: '/etc/hosts',
    key: line.split(' ').at(-1) ?? '',
    line,
  }))
  const named =
    aliases.length === 0
      ? set
      : operations.add('distribute', [set], {
          name: 'aliases',
          host: host.address,
          title: 'name hosts in /etc/hosts',
          do: { lines: aliases },
          undo: { lines: aliases.map(({ file, key }) => ({ file, key })) },
        })
  if (!image.paths.has('scripts/init.sh')) return named
  const { domain, port } = cluster.registry
  const env = environmentOf(mergeVariables(image.variables, host.variables))
  const cwd = `${root}/scripts`
  return operations.add('init', [named], {
    name: 'init',
    host: host.address,
    title: 'run scripts/init.sh: runtime, kubelet, kernel settings',
    do: { run: { argv: ['bash', 'init.sh', DOCKER_ROOT, domain, String(port)], cwd, env } },
    ...(image.paths.has('scripts/clean.sh') && { undo: { run: { argv: ['bash', 'clean.sh'], cwd, env } } }),
  })
}

/** Adds the registry inside the cluster, and its name on every host. Returns the ids. */
export function serveImages(
  operations: Operations,
  context: PlanContext,
  hosts: readonly { readonly host: ClusterHost; readonly ready: string }[],
): ReadonlyMap<string, string> {
  const { image, cluster } = context
  const { domain, port } = cluster.registry
  const server = registryHost(context)
  const root = rootfsOf(context)
  const serverReady = hosts.find(({ host }) => host.address === server.address)?.ready
  let served: string | undefined
  if (serverReady !== undefined && image.paths.has('scripts/init-registry.sh'))
    served = operations.add('registry', [serverReady], {
      name: 'registry',
      host: server.address,
      title: `serve the images of the cluster as ${domain}:${port}`,
      do: {
        run: {
          argv: ['bash', 'init-registry.sh', String(port), `${root}/registry`, domain],
          cwd: `${root}/scripts`,
        },
      },
    })
  const line = { file: '/etc/hosts', key: domain }
  return new Map(
    hosts.map(({ host, ready }) => [
      host.address,
      operations.add('registry', [ready, ...(served === undefined ? [] : [served])], {
        name: 'registry-name',
        host: host.address,
        title: `name ${domain} in /etc/hosts`,
        do: { lines: [{ ...line, line: `${server.address} ${domain}` }] },
        undo: { lines: [line] },
      }),
    ]),
  )
}
