/**
 * What the machine's cgroups can do.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'

const ROOT = '/sys/fs/cgroup'

/** Whether the kernel counts swap, without which a runtime fails on a limit for it. */
export function canLimitSwap(root = ROOT): boolean {
  if (fs.existsSync(path.join(root, 'memory/memory.memsw.limit_in_bytes'))) return true
  return fs.existsSync(path.join(root, ownGroup(), 'memory.swap.max'))
}

/** Whether this user may make cgroups with limits: systemd, or root, has delegated a cgroup of version 2 to them. */
export function isDelegated(root = ROOT): boolean {
  const own = path.join(root, ownGroup())
  try {
    fs.accessSync(path.join(own, 'cgroup.procs'), fs.constants.W_OK)
    fs.accessSync(path.join(own, 'cgroup.subtree_control'), fs.constants.W_OK)
    fs.accessSync(own, fs.constants.W_OK)
    const held = fs.readFileSync(path.join(own, 'cgroup.controllers'), 'utf8').trim().split(' ')
    return ['cpu', 'memory', 'pids'].every(name => held.includes(name))
  } catch {
    return false
  }
}

// Only version 2 has a line with the number 0 and no names.
function ownGroup(): string {
  return /^0::(\/.*)$/m.exec(fs.readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
}
