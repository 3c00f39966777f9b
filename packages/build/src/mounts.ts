/**
 * `RUN --mount=...`, as text. Spec: Dockerfile reference, "RUN --mount".
 *
 * @module
 */
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'

export interface BindMount {
  readonly type: 'bind'
  readonly target: string
  /** Stage, image or build context; absent: the context. */
  readonly from?: string
  readonly source: string
  /** Writes are allowed and thrown away. */
  readonly writable: boolean
}

export interface CacheMount {
  readonly type: 'cache'
  readonly target: string
  readonly id: string
  readonly readonly: boolean
  /** `locked` makes others wait; `private` gives them another one. */
  readonly sharing: 'shared' | 'private' | 'locked'
  /** Stage, image or build context that a new cache begins with; absent: with nothing. */
  readonly from?: string
  /** In `from`. */
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
  /** Where the file appears; absent when it only goes to `env`. */
  readonly target?: string
  readonly env?: string
  readonly required: boolean
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** The socket of an agent for ssh. */
export interface SshMount {
  readonly type: 'ssh'
  readonly id: string
  /** Absent: `/run/buildkit/ssh_agent.N`, by its number among those of the step. */
  readonly target?: string
  readonly required: boolean
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount

const KEYS: Readonly<Record<RunMount['type'], readonly string[]>> = {
  bind: ['target', 'source', 'from', 'writable'],
  cache: ['target', 'id', 'readonly', 'sharing', 'from', 'source', 'mode', 'uid', 'gid'],
  tmpfs: ['target', 'size'],
  secret: ['target', 'id', 'env', 'required', 'mode', 'uid', 'gid'],
  ssh: ['target', 'id', 'required', 'mode', 'uid', 'gid'],
}
const ALIASES: Readonly<Record<string, string>> = {
  dst: 'target',
  destination: 'target',
  src: 'source',
  rw: 'writable',
  readwrite: 'writable',
  ro: 'readonly',
}

/**
 * Reads one `--mount`. Variables are expanded already; a relative target is below `workdir`.
 *
 * @throws {ToolError} `MOUNT_INVALID`
 */
export function parseMount(text: string, workdir: string): RunMount {
  const fields = fieldsOf(text)
  const type = fields.get('type') ?? 'bind'
  if (!isType(type))
    throw invalid(text, `type is bind, cache, tmpfs, secret or ssh, not ${JSON.stringify(type)}`)
  // What is true anyway may be said: a bind is read-only, a cache is writable.
  for (const word of type === 'bind' ? ['readonly'] : type === 'cache' ? ['writable'] : [])
    if (flag(fields, word)) fields.delete(word)
  for (const key of fields.keys())
    if (key !== 'type' && !KEYS[type].includes(key))
      throw invalid(text, `${key} means nothing for type=${type}`)
  const target = fields.get('target')
  const absolute = target === undefined ? undefined : path.posix.resolve('/', workdir, target)
  if (absolute === undefined && type !== 'secret' && type !== 'ssh') throw invalid(text, 'it needs a target')
  if (absolute === '/') throw invalid(text, 'the root cannot be a target')
  return build(text, { type, fields, target: absolute ?? '' })
}

interface Parsed {
  readonly type: RunMount['type']
  readonly fields: ReadonlyMap<string, string>
  readonly target: string
}

function build(text: string, { type, fields, target }: Parsed): RunMount {
  if (type === 'bind') {
    const from = fields.get('from')
    const source = fields.get('source') ?? '/'
    return {
      type,
      target,
      source,
      writable: flag(fields, 'writable'),
      ...(from === undefined ? {} : { from }),
    }
  }
  if (type === 'tmpfs') {
    const size = fields.get('size')
    return { type, target, ...(size === undefined ? {} : { size: bytesOf(text, size) }) }
  }
  if (type === 'ssh') return ssh(text, fields, target)
  return type === 'cache' ? cache(text, fields, target) : secret(text, fields, target)
}

function cache(text: string, fields: ReadonlyMap<string, string>, target: string): CacheMount {
  const sharing = fields.get('sharing') ?? 'shared'
  if (sharing !== 'shared' && sharing !== 'private' && sharing !== 'locked')
    throw invalid(text, 'sharing is shared, private or locked')
  const [id, from] = [fields.get('id') ?? target, fields.get('from')]
  return {
    type: 'cache',
    target,
    id,
    source: fields.get('source') ?? '/',
    ...(from === undefined ? {} : { from }),
    readonly: flag(fields, 'readonly'),
    sharing,
    ...owner(text, fields, 0o755),
  }
}

function secret(text: string, fields: ReadonlyMap<string, string>, target: string): SecretMount {
  const env = fields.get('env')
  const id = fields.get('id') ?? (target === '' ? env : path.posix.basename(target))
  if (id === undefined) throw invalid(text, 'a secret needs an id')
  const place = target === '' && env === undefined ? `/run/secrets/${id}` : target
  return {
    type: 'secret',
    id,
    required: flag(fields, 'required'),
    ...(place === '' ? {} : { target: place }),
    ...(env === undefined ? {} : { env }),
    ...owner(text, fields, 0o400),
  }
}

function ssh(text: string, fields: ReadonlyMap<string, string>, target: string): SshMount {
  return {
    type: 'ssh',
    id: fields.get('id') || 'default',
    ...(target === '' ? {} : { target }),
    required: flag(fields, 'required'),
    ...owner(text, fields, 0o600),
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
    if (!/^\d{1,10}$/.test(value)) throw invalid(text, `${key} is a number`)
    return Number.parseInt(value, radix)
  }
  return { mode: number('mode', 8, mode), uid: number('uid', 10, 0), gid: number('gid', 10, 0) }
}

/** As docker's units are: `64m`, `1.5GiB`, `100 mb`; all of them powers of 1024. */
const SIZE = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)i?b?$/i

function bytesOf(text: string, size: string): number {
  const [, number = '', unit = ''] = SIZE.exec(size) ?? []
  if (number === '') throw invalid(text, 'size is a number of bytes, such as 64m')
  return Math.floor(Number(number) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '))
}

function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const part of text.split(',')) {
    const at = part.indexOf('=')
    const name = (at < 0 ? part : part.slice(0, at)).toLowerCase()
    const key = ALIASES[name] ?? name
    if (key === '') throw invalid(text, 'a part of it is empty')
    fields.set(key, at < 0 ? 'true' : part.slice(at + 1))
  }
  return fields
}

function flag(fields: ReadonlyMap<string, string>, key: string): boolean {
  return ['true', '1'].includes(fields.get(key) ?? 'false')
}

function isType(type: string): type is RunMount['type'] {
  return type in KEYS
}

function invalid(text: string, why: string): ToolError {
  return new ToolError('MOUNT_INVALID', `--mount=${text}: ${why}`)
}
