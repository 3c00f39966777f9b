/**
 * Connects the network namespace of a container with pasta or slirp4netns: the runtime starts a hook when the namespace
 * exists and before the container's command runs, and another one when the container has ended. So the bundle alone
 * has all that it needs.
 *
 * @module
 */

import { type ContainerRequest, findProgram, type Hook } from '@pipelayer/containers'
import type { PublishedPort } from './ports.js'

/** A program that gives a namespace the connections of the host's user. */
export interface Connector {
  readonly kind: 'pasta' | 'slirp4netns'
  /** Absolute. */
  readonly program: string
  /** The address at which the container finds the host's name server. */
  readonly nameServer: string
}

/** An address that no network routes, which pasta is told to take for the name server. */
const PASTA_NAME_SERVER = '169.254.1.1'
/** The name server of slirp4netns's own network. Spec: slirp4netns(1). */
const SLIRP_NAME_SERVER = '10.0.2.3'
const HOOK_SECONDS = 30

/** Finds pasta, else slirp4netns. */
export function findConnector(searchPath: string | undefined, find = findProgram): Connector | undefined {
  const pasta = find('pasta', searchPath)
  if (pasta !== undefined) return { kind: 'pasta', program: pasta, nameServer: PASTA_NAME_SERVER }
  const slirp = find('slirp4netns', searchPath)
  if (slirp === undefined) return undefined
  return { kind: 'slirp4netns', program: slirp, nameServer: SLIRP_NAME_SERVER }
}

/** The hooks that connect a container, and that end the connecting program after it. */
export function connectingHooks(
  connector: Connector,
  { bundle, ports }: { readonly bundle: string; readonly ports: readonly PublishedPort[] },
): NonNullable<ContainerRequest['hooks']> {
  const [script, words] =
    connector.kind === 'pasta'
      ? [PASTA, pastaPorts(ports)]
      : [SLIRP, [process.execPath, ASK, ...slirpRequests(ports)]]
  return {
    createRuntime: [hook(script, [bundle, connector.program, ...words])],
    poststop: [hook(STOP, [bundle])],
  }
}

function hook(script: string, words: readonly string[]): Hook {
  const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']
  return { path: '/bin/sh', args: ['sh', '-euc', script, 'network', ...words], env, timeout: HOOK_SECONDS }
}

// The runtime waits until nobody holds the hook's outputs, so the program that stays writes to a file. What the hook
// says to its error output is in the runtime's message. The state of the container, which has its pid, is on stdin.
const START = `
cd "$1"
program=$2
shift 2
pid=$(sed -n 's/.*"pid": *\\([0-9][0-9]*\\).*/\\1/p')
failed() { tail -n 2 network.log >&2; echo "$program did not connect the network" >&2; exit 1; }`

// pasta goes into the background when the network is there. As root it becomes somebody else and gives up the right to
// look at other processes, unless it is told who to be and gets the namespace as an open file.
const PASTA = `${START}
if [ "$(id -u)" = 0 ]; then set -- "$@" --runas 0:0 --netns-only --netns /proc/self/fd/9; else set -- "$@" "$pid"; fi
"$program" --config-net --no-map-gw --pid "$PWD/network.pid" "$@" \\
  </dev/null >network.log 2>&1 9<"/proc/$pid/ns/net" || failed`

const SLIRP = `${START}
node=$1 ask=$2
shift 2
rm -f network.ready network.sock
mkfifo network.ready
"$program" --configure --mtu=65520 --disable-host-loopback --ready-fd=3 --api-socket network.sock "$pid" tap0 \\
  </dev/null 3>network.ready >network.log 2>&1 &
echo $! >network.pid
read -r up <network.ready || [ "$up" = 1 ] || failed
for request; do "$node" -e "$ask" "$request" >>network.log 2>&1 || failed; done`

// slirp4netns takes requests as JSON on a socket, one for each connection.
const ASK =
  "let t='';const s=require('node:net').connect('network.sock',()=>s.end(process.argv[1]));" +
  "s.on('data',d=>t+=d);s.on('close',()=>{console.log(t);process.exit(t.includes('error')||t===''?1:0)})"

const STOP = `
cd "$1" 2>/dev/null || exit 0
[ ! -e network.pid ] || kill "$(cat network.pid)" 2>/dev/null || :
rm -f network.pid network.ready network.sock`

// Without these options pasta would open every port of the container on the host, and the host's in the container.
function pastaPorts(ports: readonly PublishedPort[]): string[] {
  const given = (['tcp', 'udp'] as const).flatMap(protocol => {
    const option = `--${protocol}-ports`
    const own = ports.filter(port => port.protocol === protocol)
    if (own.length === 0) return [option, 'none']
    return own.flatMap(({ address, host, container }) => [
      option,
      `${address === undefined ? '' : `${address}/`}${host}:${container}`,
    ])
  })
  return [...given, '--tcp-ns', 'none', '--udp-ns', 'none', '--dns-forward', PASTA_NAME_SERVER]
}

function slirpRequests(ports: readonly PublishedPort[]): string[] {
  return ports.map(({ address = '0.0.0.0', host, container, protocol }) =>
    JSON.stringify({
      execute: 'add_hostfwd',
      arguments: { proto: protocol, host_addr: address, host_port: host, guest_port: container },
    }),
  )
}

/** The container's resolv.conf: the search domains and options of the host's, and the connector's name server. */
export function resolvConf(hostText: string, { nameServer }: Connector): string {
  const kept = hostText.split('\n').filter(line => /^(search|domain|options)\s/.test(line))
  return `${[...kept, `nameserver ${nameServer}`].join('\n')}\n`
}
