/**
 * Parses the text of `RUN --mount=...`. Spec: Dockerfile reference, "RUN --mount".
 *
 * @module
 */

import path from 'node:path'
import { invalidMount, type MountFields, mountFields } from './mount-fields.js'

export interface BindMount {
  readonly type: 'bind'
  readonly target: string
  /** A stage, an image or a build context; if absent, the context. */
  readonly from?: string
  readonly source: string
  /** Writes are allowed, and lost after the step. */
  readonly writable: boolean
}

export interface CacheMount {
  readonly type: 'cache'
  readonly target: string
  readonly id: string
  readonly readonly: boolean
  /** With `locked` others wait for the cache; with `private` they get another one. */
  readonly sharing: 'shared' | 'private' | 'locked'
  /** A stage, an image or a build context whose files a new cache starts with; if absent, the cache starts empty. */
  readonly from?: string
  /** The path in `from`. */
  readonly source: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export interface TmpfsMount {
  readonly type: 'tmpfs'
  readonly target: string
  /** In bytes. */
  readonly size?: number
}

export interface SecretMount {
  readonly type: 'secret'
  readonly id: string
  /** Where the file appears; absent if the secret only goes to `env`. */
  readonly target?: string
  readonly env?: string
  readonly required: boolean
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** The socket of an ssh agent. */
export interface SshMount {
  readonly type: 'ssh'
  readonly id: string
  /** If absent: `/run/buildkit/ssh_agent.N`, where N is its number among the ssh mounts of the step. */
  readonly target?: string
  readonly required: boolean
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount

/**
 * Reads one `--mount`; a relative target is below `workdir`.
 *
 * ```ts
 * parseMount('type=tmpfs,target=tmp,size=64m', '/src')
 * // { type: 'tmpfs', target: '/src/tmp', size: 67108864 }
 * ```
 *
 * @throws {ToolError} `MOUNT_INVALID`
 */
export function parseMount(
  text: string,
  workdir: string,
  expand: (value: string) => string = value => value,
): RunMount {
  const fields = mountFields(text, expand)
  const { type, values } = fields
  if (values.has('sharing') && type !== 'cache') throw invalidMount(text, `type=${type} has no sharing`)
  const target = values.get('target') || undefined
  const absolute = target === undefined ? undefined : path.posix.resolve('/', workdir, target)
  if (absolute === undefined && type !== 'secret' && type !== 'ssh')
    throw invalidMount(text, 'it needs a target')
  if (absolute === '/') throw invalidMount(text, 'the root cannot be a target')
  return build(text, fields, absolute ?? '')
}

function build(text: string, fields: MountFields, target: string): RunMount {
  const { type, values } = fields
  if (type === 'bind') return bind(fields, target)
  if (type === 'tmpfs') {
    const size = values.get('size')
    return { type, target, ...(size === undefined ? {} : { size: bytesOf(text, size) }) }
  }
  if (type === 'ssh') return ssh(text, fields, target)
  return type === 'cache' ? cache(text, fields, target) : secret(text, fields, target)
}

function bind({ values, readonly }: MountFields, target: string): BindMount {
  const from = values.get('from')
  return {
    type: 'bind',
    target,
    source: values.get('source') || '/',
    writable: readonly === false,
    ...(from ? { from } : {}),
  }
}

function cache(text: string, { values, readonly }: MountFields, target: string): CacheMount {
  const sharing = (values.get('sharing') || 'shared').toLowerCase()
  if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked')
    throw invalidMount(text, 'sharing is shared, private or locked')
  const from = values.get('from')
  return {
    type: 'cache',
    target,
    id: values.get('id') || cacheID(values.get('target') ?? ''),
    source: values.get('source') || '/',
    ...(from ? { from } : {}),
    readonly: readonly === true,
    sharing,
    ...owner(text, values, 0o755),
  }
}

// A relative target names another cache than the absolute path that it leads to; `/p/` and `//p` are the same as `/p`.
function cacheID(target: string): string {
  return path.posix.join(target).replace(/(.)\/$/, '$1')
}

function secret(text: string, { values, required }: MountFields, target: string): SecretMount {
  const [env, source, given] = [values.get('env'), values.get('source'), values.get('id')]
  if (values.get('from')) throw invalidMount(text, 'a secret comes from nowhere')
  if (source && given) throw invalidMount(text, 'id and source are both said')
  const id = given || source || (target === '' ? '' : path.posix.basename(target))
  if (id === '') throw invalidMount(text, 'a secret needs an id')
  const place = target === '' && env === undefined ? `/run/secrets/${path.posix.basename(id)}` : target
  return {
    type: 'secret',
    id,
    required,
    ...(place === '' ? {} : { target: place }),
    ...(env === undefined ? {} : { env: env || id }),
    ...owner(text, values, 0o400),
  }
}

function ssh(text: string, { values, required }: MountFields, target: string): SshMount {
  return {
    type: 'ssh',
    id: values.get('id') || 'default',
    ...(target === '' ? {} : { target }),
    required,
    ...owner(text, values, 0o600),
  }
}

function owner(
  text: string,
  fields: ReadonlyMap<string, string>,
  mode: number,
): { readonly mode: number; readonly uid: number; readonly gid: number } {
  const number = (key: string, radix: number, fallback: number): number => {
    const value = fields.get(key)
    if (value === undefined) return fallback
    const number = (radix === 8 ? /^[0-7]{1,11}$/ : /^\d{1,10}$/).test(value)
      ? Number.parseInt(value, radix)
      : -1
    if (number < 0 || number > 0xffff_ffff) throw invalidMount(text, `${key} is a number`)
    return number
  }
  return { mode: number('mode', 8, mode), uid: number('uid', 10, 0), gid: number('gid', 10, 0) }
}

/** The units are Docker's: `64m`, `1.5GiB`, `100 mb`; all of them are powers of 1024. */
const SIZE = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)i?b?$/i

function bytesOf(text: string, size: string): number {
  const [, number = '', unit = ''] = SIZE.exec(size) ?? []
  if (number === '') throw invalidMount(text, 'size is a number of bytes, such as 64m')
  return Math.floor(Number(number) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '))
}
