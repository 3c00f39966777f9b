/**
 * Limits of a container: `--memory`, `--memory-swap`, `--cpus`, `--pids-limit` and `--ulimit`.
 *
 * @module
 */

import type { ContainerLimits, ProcessLimit } from '@pipelayer/containers'
import { optionError } from './option-error.js'
import { parseBytes } from './sizes.js'

/** The texts of the options. */
export interface LimitFlags {
  readonly memory: string | undefined
  readonly memorySwap: string | undefined
  readonly cpus: string | undefined
  readonly pidsLimit: string | undefined
}

/** With less, the runtime itself does not start. Docker has the same least amount. */
const MIN_MEMORY = 6 * 1024 * 1024
/** A hundredth of a processor; the kernel's shortest turn is 1 ms of 100 ms. */
const MIN_CPUS = 0.01
const RLIMITS =
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  )
/** What setrlimit(2) calls RLIM_INFINITY. */
const UNLIMITED = 2n ** 64n - 1n

/**
 * Parses the options that limit a whole container.
 *
 * @param canLimitSwap - whether the kernel can; with it, `memory` alone allows as much swap again, as with Docker
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parseLimits(flags: LimitFlags, canLimitSwap: () => boolean): ContainerLimits {
  return { ...memoryOf(flags, canLimitSwap), ...cpusOf(flags), ...pidsOf(flags) }
}

function memoryOf({ memory, memorySwap }: LimitFlags, canLimitSwap: () => boolean): ContainerLimits {
  if (memory === undefined) {
    if (memorySwap === undefined) return {}
    throw optionError('--memory-swap', memorySwap, 'it needs --memory, which is a part of it')
  }
  const limit = parseBytes(memory, '--memory')
  if (limit === 0 && memorySwap === undefined) return {}
  if (limit < MIN_MEMORY) throw optionError('--memory', memory, 'the least is 6m')
  if (memorySwap === '-1') return { memory: limit, memorySwap: -1 }
  const swap = memorySwap === undefined ? 0 : parseBytes(memorySwap, '--memory-swap')
  if (swap === 0) return { memory: limit, ...(canLimitSwap() ? { memorySwap: 2 * limit } : {}) }
  if (swap < limit)
    throw optionError(
      '--memory-swap',
      memorySwap ?? '',
      'it is memory and swap together, so it is not below --memory',
    )
  return { memory: limit, memorySwap: swap }
}

function cpusOf({ cpus }: LimitFlags): ContainerLimits {
  if (cpus === undefined) return {}
  const value = /^\d{1,6}(\.\d{1,9})?$|^\.\d{1,9}$/.test(cpus) ? Number(cpus) : Number.NaN
  if (value === 0) return {}
  if (!(value >= MIN_CPUS))
    throw optionError('--cpus', cpus, 'it takes a number of processors, such as 1.5, from 0.01 on')
  return { cpus: value }
}

function pidsOf({ pidsLimit }: LimitFlags): ContainerLimits {
  if (pidsLimit === undefined) return {}
  if (!/^-1$|^\d{1,9}$/.test(pidsLimit))
    throw optionError('--pids-limit', pidsLimit, 'it takes a whole number, or -1 for no limit')
  const pids = Number(pidsLimit)
  return pids > 0 ? { pids } : {}
}

/**
 * Parses `--ulimit NAME=SOFT[:HARD]`; -1 is no limit.
 *
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parseUlimits(texts: readonly string[]): ProcessLimit[] {
  const found = new Map<string, ProcessLimit>()
  for (const text of texts) {
    const [, name = '', softText = '', hardText = softText] =
      /^([a-z]+)=(-1|\d{1,18})(?::(-1|\d{1,18}))?$/.exec(text) ?? []
    if (!RLIMITS.includes(name))
      throw optionError('--ulimit', text, `it takes NAME=SOFT[:HARD]; names are ${RLIMITS.join(', ')}`)
    const [soft, hard] = [amount(softText), amount(hardText)]
    if (soft > hard) throw optionError('--ulimit', text, 'the soft limit is above the hard one')
    const type = `RLIMIT_${name.toUpperCase()}`
    found.set(type, { type, soft, hard })
  }
  return [...found.values()]
}

function amount(text: string): bigint {
  return text === '-1' ? UNLIMITED : BigInt(text)
}
