import { callerOf } from '@pipelayer/containers'
import type { ContainerOptions } from './wishes.js'

/**
 * Who will start the runtime: with `--rootless` this user, without it root of the machine or of the user namespace that
 * this process is in.
 */
export function callerOptions(
  { rootless }: { readonly rootless: boolean },
  env: { readonly PATH?: string | undefined },
): Pick<ContainerOptions, 'rootless' | 'inside'> {
  const caller = callerOf(env)
  if (!rootless) return caller.kind === 'inside' ? { inside: caller.idMap } : {}
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  return { rootless: caller.kind === 'user' ? { ...own, idMap: caller.idMap } : own }
}
