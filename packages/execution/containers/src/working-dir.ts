import { ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { cleanName, type Rooted } from '@pipelayer/rootfs'

/**
 * The real path of a process's working directory in a root.
 *
 * A working directory in /proc could lead out of the container, through a descriptor that a runtime leaves open
 * (CVE-2024-21626). So directories below the mount points of the system are refused.
 *
 * @param cwd - a binary string
 * @throws {ToolError} `WORKDIR_INVALID`
 */
export function resolveCwd(root: Rooted, cwd: string): string {
  const real = root.resolve(cleanName(cwd))
  if (/^(proc|sys|dev)(\/|$)/.test(real))
    throw new ToolError('WORKDIR_INVALID', `cannot run in "/${showName(real)}": it belongs to the system`)
  return real
}
