/**
 * What a host is: one command of its shell tells everything at once.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { HostFacts } from '@pipelayer/records'
import { BLOBS, journalOf } from './places.js'
import type { Connections, SshTarget } from './ssh.js'

/** Writes `NAME VALUE` lines. It needs a POSIX shell, and leaves out what it cannot tell. */
const ASK = `
say() { printf '%s %s\\n' "$1" "$2"; }
say os "$(uname -s | tr A-Z a-z)"
say machine "$(uname -m)"
say kernel "$(uname -r)"
say hostname "$(hostname 2>/dev/null || uname -n)"
say time "$(date +%s)"
[ "$(wc -l < /proc/swaps 2>/dev/null || echo 1)" -gt 1 ] && say swap yes || say swap no
[ -f /sys/fs/cgroup/cgroup.controllers ] && say cgroup systemd || say cgroup cgroupfs
for file in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$file" ] && awk '$4 == "0A" { n = split($2, a, ":"); print "port " a[n] }' "$file"
done
dir=$1; while [ ! -d "$dir" ]; do dir=\${dir%/*}; [ -n "$dir" ] || dir=/; done
say free "$(df -Pk "$dir" 2>/dev/null | awk 'NR == 2 { print $4 }')"
for program in containerd docker kubelet kubeadm k3s; do
  command -v "$program" >/dev/null 2>&1 && say program "$program"
done
for file in "$1"/*; do [ -f "$file" ] && case $file in *.part) ;; *) say blob "\${file##*/}" ;; esac; done
[ -r "$2" ] && sed 's/^/done /' "$2"
:
`

const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['armv7l', 'arm'],
  ['i686', '386'],
])
const MAX_LISTED = 10_000

/**
 * Asks a host what it is.
 *
 * @param cluster - whose journal is read
 * @param now - milliseconds since 1970, for the difference of the clocks
 * @throws ToolError `HOST_UNREACHABLE`, `HOST_INVALID` for an answer that is none
 */
export async function askFacts(
  connections: Connections,
  target: SshTarget,
  { cluster, now }: { readonly cluster: string; readonly now: () => number },
): Promise<HostFacts> {
  const before = now()
  const argv = ['sh', '-c', ASK, 'sh', BLOBS, journalOf(cluster)]
  const { status, stdout, stderr } = await connections.run(target, { argv, timeout: 60 })
  const after = now()
  if (status !== 0)
    throw new ToolError(
      'HOST_INVALID',
      `${target.address}: its shell cannot tell what it is: ${stderr.trim().slice(-500)}`,
    )
  return factsOf(stdout, { before, after, address: target.address })
}

/** @param times - ours, in milliseconds, before and after the host told its own */
export function factsOf(
  text: string,
  { before, after, address }: { readonly before: number; readonly after: number; readonly address: string },
): HostFacts {
  const found = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^([a-z]+) (.+)$/.exec(line) ?? []
    if (name !== '') found.set(name, [...(found.get(name) ?? []), value].slice(0, MAX_LISTED))
  }
  const one = (name: string): string | undefined => found.get(name)?.[0]
  const [os, machine] = [one('os'), one('machine')]
  if (os === undefined || machine === undefined)
    throw new ToolError('HOST_INVALID', `${address}: it does not tell its system and its processor`)
  const seconds = Number(one('time'))
  const middle = (before + after) / 2000
  // The host tells whole seconds, and the question took its time: what may be due to that is no difference.
  const ahead = Math.abs(seconds - middle) <= 1 + (after - before) / 2000 ? 0 : Math.round(seconds - middle)
  const free = Number(one('free'))
  const cgroup = one('cgroup')
  return {
    os,
    architecture: ARCHITECTURES.get(machine) ?? machine,
    ...(one('kernel') !== undefined && { kernel: one('kernel') ?? '' }),
    ...(one('hostname') !== undefined && { hostname: one('hostname') ?? '' }),
    ...((cgroup === 'systemd' || cgroup === 'cgroupfs') && { cgroupDriver: cgroup }),
    ...(Number.isFinite(seconds) && { clockAhead: ahead }),
    swap: one('swap') === 'yes',
    ports: [...new Set((found.get('port') ?? []).map(hex => Number.parseInt(hex, 16)))].sort((a, b) => a - b),
    ...(Number.isFinite(free) && one('free') !== undefined && { freeBytes: free * 1024 }),
    programs: found.get('program') ?? [],
    blobs: (found.get('blob') ?? []).filter(hex => /^[0-9a-f]{64}$/.test(hex)).map(hex => `sha256:${hex}`),
    done: found.get('done') ?? [],
  }
}
