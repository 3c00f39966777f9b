/**
 * The files that a container has in place of its image's: resolv.conf, hosts and hostname.
 *
 * @module
 */

import fs from 'node:fs'
import type { Mount } from '@pipelayer/containers'
import { type Connector, resolvConf } from './private-network.js'
import type { Network } from './wishes.js'

/** A file that is written into the bundle: its name there, which is also its name in `/etc`, and its text. */
export interface BundleFile {
  readonly name: string
  readonly text: string
}

/** What a container gets, and which of it must be written first. */
export interface HostFiles {
  /** Each has a name of `/etc` as its source, or the name of a {@link BundleFile}. */
  readonly mounts: readonly Mount[]
  readonly files: readonly BundleFile[]
}

export interface HostFileOptions {
  readonly network: Network
  readonly hostname: string | undefined
  /** What connects a private network. */
  readonly connector: Connector | undefined
  /** The folder of the bundle. Absolute. */
  readonly bundle: string
  /** The host's folder of these files; `/etc` unless a test says so. */
  readonly etc?: string
}

/** Makes the list of files: those of the host with its network, and new ones with another. */
export function hostFiles({
  network,
  hostname,
  connector,
  bundle,
  etc = '/etc',
}: HostFileOptions): HostFiles {
  const shared =
    network === 'host' ? ['resolv.conf', 'hosts'].filter(name => fs.existsSync(`${etc}/${name}`)) : []
  const files = [
    ...(connector === undefined || network !== 'private' ? [] : resolver(etc, connector)),
    ...(network === 'host' ? [] : [{ name: 'hosts', text: hostsText(hostname) }]),
    ...(hostname === undefined ? [] : [{ name: 'hostname', text: `${hostname}\n` }]),
  ]
  return {
    files,
    mounts: [
      ...shared.map(name => bound(name, `${etc}/${name}`)),
      ...files.map(({ name }) => bound(name, `${bundle}/${name}`)),
    ],
  }
}

function bound(name: string, source: string): Mount {
  return {
    destination: `/etc/${name}`,
    type: 'bind',
    source,
    options: ['bind', 'ro', 'nosuid', 'nodev'],
  }
}

function resolver(etc: string, connector: Connector): BundleFile[] {
  const file = `${etc}/resolv.conf`
  if (!fs.existsSync(file)) return []
  return [{ name: 'resolv.conf', text: resolvConf(fs.readFileSync(file, 'utf8'), connector) }]
}

function hostsText(hostname: string | undefined): string {
  const own = hostname === undefined ? '' : `127.0.1.1\t${hostname}\n`
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`
}
