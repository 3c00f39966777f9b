/**
 * The fields of one `RUN --mount=...`, checked one by one as BuildKit does: a field may depend on the type above it.
 *
 *     mount = field { "," field }          as CSV: a field in quotes may hold a comma
 *     field = KEY "=" value | ( "ro" | "rw" | "required" )
 *
 * Spec: Dockerfile reference, "RUN --mount"; moby/buildkit frontend/dockerfile/instructions
 *
 * @module
 */
import { parseCSVLine, parseGoBoolean } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'

export type MountType = 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh'

export interface MountFields {
  readonly type: MountType
  /** Values by the longest name of their key; keys that are only yes or no are separate fields. */
  readonly values: ReadonlyMap<string, string>
  /** Undefined if neither `ro` nor `rw` was given. */
  readonly readonly: boolean | undefined
  readonly required: boolean
}

const TYPES: readonly MountType[] = ['bind', 'cache', 'secret', 'ssh', 'tmpfs']
const FULL: Readonly<Record<string, string>> = {
  dst: 'target',
  destination: 'target',
  src: 'source',
  ro: 'readonly',
  rw: 'readwrite',
}
/** Keys that every type accepts, even if they mean nothing for it. */
const COMMON = new Set(['from', 'source', 'target', 'id', 'env', 'sharing'])
/** Keys that only these types accept. */
const OWN: Readonly<Record<string, readonly MountType[]>> = {
  size: ['tmpfs'],
  required: ['secret', 'ssh'],
  mode: ['cache', 'secret', 'ssh'],
  uid: ['cache', 'secret', 'ssh'],
  gid: ['cache', 'secret', 'ssh'],
}
const FLAGS = new Set(['readonly', 'readwrite', 'required'])

/**
 * Reads the fields of `text`.
 *
 * @param expand - applied to every value
 * @throws {ToolError} `MOUNT_INVALID`
 */
export function mountFields(text: string, expand: (value: string) => string): MountFields {
  const fields = parseCSVLine(text)
  if (fields === undefined) throw invalidMount(text, 'its fields cannot be told apart')
  const values = new Map<string, string>()
  let type: MountType = 'bind'
  let readonly: boolean | undefined
  let required = false
  for (const field of fields) {
    const { key, value } = split(text, field, expand)
    if (key === 'type') type = typeOf(text, value)
    else if (FLAGS.has(key)) {
      const set = yes(text, key, value)
      if (key === 'required') required = set
      else readonly = key === 'readonly' ? set : !set
    } else if (COMMON.has(key) || key in OWN) values.set(key, value)
    else throw invalidMount(text, `there is no ${JSON.stringify(key)}`)
    // The owner and the mode may come before the type, but these keys must not.
    if ((key === 'size' || key === 'required') && !OWN[key]?.includes(type))
      throw meaningless(text, key, type)
  }
  for (const key of values.keys())
    if (OWN[key] !== undefined && !OWN[key].includes(type)) throw meaningless(text, key, type)
  return { type, values, readonly, required }
}

export function invalidMount(text: string, why: string): ToolError {
  return new ToolError('MOUNT_INVALID', `--mount=${text}: ${why}`)
}

function meaningless(text: string, key: string, type: MountType): ToolError {
  return invalidMount(text, `${key} means nothing for type=${type}`)
}

function split(
  text: string,
  field: string,
  expand: (value: string) => string,
): { key: string; value: string } {
  const sign = field.indexOf('=')
  const name = (sign < 0 ? field : field.slice(0, sign)).toLowerCase()
  const key = FULL[name] ?? name
  if (sign >= 0) return { key, value: expand(field.slice(sign + 1)) }
  if (!FLAGS.has(key)) throw invalidMount(text, `${JSON.stringify(field)} needs a value`)
  return { key, value: 'true' }
}

function typeOf(text: string, value: string): MountType {
  const type = TYPES.find(one => one === value.toLowerCase())
  if (type === undefined)
    throw invalidMount(text, `type is bind, cache, tmpfs, secret or ssh, not ${JSON.stringify(value)}`)
  return type
}

function yes(text: string, key: string, value: string): boolean {
  const set = parseGoBoolean(value)
  if (set === undefined) throw invalidMount(text, `${key} is true or false, not ${JSON.stringify(value)}`)
  return set
}
