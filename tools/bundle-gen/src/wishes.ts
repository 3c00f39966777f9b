/**
 * The wishes of the caller for a container, beyond what the image says: as texts of the command line, and checked.
 *
 * @module
 */

import fs from 'node:fs'
import {
  type ContainerLimits,
  type ProcessLimit,
  type RuntimeCaller,
  seccompFilter,
} from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import type { IdMap } from '@pipelayer/records'
import { canLimitSwap, isDelegated } from './cgroups.js'
import { parseVariables, type Variable } from './environment.js'
import { parseLimits, parseUlimits } from './limits.js'
import { parseMounts, type WantedMounts } from './mounts.js'
import { optionError } from './option-error.js'
import { type PublishedPort, parsePort } from './ports.js'
import { parseCapabilities } from './privileges.js'

/** What a container reaches; `private` is a network of its own that others are reached from. */
export const NETWORKS = ['host', 'none', 'private'] as const
export type Network = (typeof NETWORKS)[number]

/** All are spelled as `docker run` spells the options of these names. */
export interface ContainerOptions {
  /** The command in place of the image's CMD; the ENTRYPOINT of the image stays. */
  readonly command?: readonly string[]
  /** In place of the image's ENTRYPOINT, whose CMD does not count then; an empty text stands for none. */
  readonly entrypoint?: string | undefined
  readonly terminal?: boolean
  /** `private`: a network of its own that reaches others through pasta or slirp4netns. */
  readonly network?: Network | undefined
  readonly publish?: readonly string[]
  readonly readOnly?: boolean
  readonly env?: readonly string[]
  readonly envFile?: readonly string[]
  readonly user?: string | undefined
  readonly workdir?: string | undefined
  readonly hostname?: string | undefined
  /** Both become annotations; an annotation wins over a label of its name. */
  readonly label?: readonly string[]
  readonly annotation?: readonly string[]
  readonly volume?: readonly string[]
  readonly mount?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly capAdd?: readonly string[]
  readonly capDrop?: readonly string[]
  readonly memory?: string | undefined
  readonly memorySwap?: string | undefined
  readonly cpus?: string | undefined
  readonly pidsLimit?: string | undefined
  readonly ulimit?: readonly string[]
  /** `default`, `unconfined`, or the file of a profile; `default` unless said. */
  readonly seccomp?: string | undefined
  /**
   * Makes the container for a runtime that this user starts, who is root inside; with an `idMap` it has other users too.
   * Undefined: for a runtime started by root.
   */
  readonly rootless?: { readonly uid: number; readonly gid: number; readonly idMap?: IdMap } | undefined
  /** The runtime will be started as root of a user namespace that exists already, with this map. */
  readonly inside?: IdMap | undefined
}

/** What the options say, checked as far as it can be without the image. */
export interface Wishes {
  readonly variables: readonly Variable[]
  readonly wanted: WantedMounts
  readonly ports: readonly PublishedPort[]
  readonly capabilities: readonly string[]
  readonly seccomp: ReturnType<typeof seccompFilter>
  readonly limits: ContainerLimits
  readonly rlimits: readonly ProcessLimit[]
  readonly annotations: Readonly<Record<string, string>>
  readonly caller: RuntimeCaller
}

/**
 * Checks the options.
 *
 * @throws {ToolError} `OPTION_INVALID` with status 2: the message names the option; `SECCOMP_INVALID`;
 * `LIMITS_UNSUPPORTED` if a user who is not root has no cgroup to set limits in
 */
export function parseWishes(options: ContainerOptions, outer: NodeJS.ProcessEnv): Wishes {
  const { workdir, hostname, user, seccomp = 'default' } = options
  if (workdir !== undefined && !workdir.startsWith('/'))
    throw optionError('--workdir', workdir, 'it is not absolute')
  if (hostname !== undefined && !/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$/.test(hostname))
    throw optionError(
      '--hostname',
      hostname,
      'it is no name of a host of at most 64 letters, digits, "-", "_" and "."',
    )
  if (user !== undefined && /[\s\0]/.test(user)) throw optionError('--user', user, 'it holds a blank')
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const capabilities = parseCapabilities({ add: options.capAdd ?? [], drop: options.capDrop ?? [] }, status)
  const { memory, memorySwap, cpus, pidsLimit } = options
  const limits = parseLimits({ memory, memorySwap, cpus, pidsLimit }, canLimitSwap)
  requireCgroup(limits, options)
  return {
    variables: parseVariables({ files: options.envFile ?? [], entries: options.env ?? [] }, outer),
    wanted: parseMounts({
      volumes: options.volume ?? [],
      mounts: options.mount ?? [],
      tmpfs: options.tmpfs ?? [],
    }),
    ports: (options.publish ?? []).map(parsePort),
    capabilities,
    seccomp: seccompFilter(seccomp, { capabilities }),
    limits,
    rlimits: parseUlimits(options.ulimit ?? []),
    annotations: { ...keyValues(options.label, '--label'), ...keyValues(options.annotation, '--annotation') },
    caller: callerOfRuntime(options),
  }
}

function requireCgroup(limits: ContainerLimits, { rootless, inside }: ContainerOptions): void {
  if (Object.keys(limits).length === 0 || (rootless === undefined && inside === undefined)) return
  if (isDelegated()) return
  throw new ToolError(
    'LIMITS_UNSUPPORTED',
    '--memory, --cpus and --pids-limit need a cgroup of version 2 that is delegated to this user (as by "systemd-run --user --scope -p Delegate=yes"), or root',
  )
}

function keyValues(texts: readonly string[] = [], option: string): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const [name = ''] = text.split('=', 1)
      if (name === '') throw optionError(option, text, 'it takes KEY=VALUE')
      return [name, text.slice(name.length + 1)] as const
    }),
  )
}

/** The group of terminals, which a namespace may lack. */
const TTY_GROUP = 5

function callerOfRuntime({ rootless, inside }: ContainerOptions): RuntimeCaller {
  const groups = (rootless === undefined ? inside : rootless.idMap)?.gid ?? []
  const ttyGroup = groups.some(([first, , count]) => first <= TTY_GROUP && TTY_GROUP < first + count)
  if (rootless !== undefined) return { rootless, ttyGroup }
  return inside === undefined ? {} : { inUserNamespace: true, ttyGroup }
}
