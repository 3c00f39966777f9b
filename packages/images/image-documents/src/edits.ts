import { isDeepStrictEqual } from 'node:util'
import { ToolError } from '@pipelayer/errors'
import { isObject, type JsonObject } from '@pipelayer/oci'

/** The changes that options make in a config's `config` object. Spec: image-spec v1.1, config.md. */
export interface ConfigEdits {
  /** Without words the field is removed, as by `CMD []`. */
  readonly cmd?: readonly string[] | undefined
  readonly entrypoint?: readonly string[] | undefined
  /** Names that are removed, before others are set. */
  readonly unset?: { readonly env?: readonly string[]; readonly labels?: readonly string[] }
  /** `NAME=VALUE`: replaces the variable of that name, or is appended. */
  readonly env?: readonly string[]
  /** `KEY=VALUE`. */
  readonly labels?: readonly string[]
  readonly workingDir?: string
  readonly user?: string
  /** `80`, `80/tcp`. */
  readonly expose?: readonly string[]
  readonly volumes?: readonly string[]
  readonly stopSignal?: string
}

/** What an image asks of the builds upon it, which no option says but an instruction. */
export interface TriggerEdits {
  /** Instructions of a Dockerfile; they are appended to those that the image has. */
  readonly onBuild?: readonly string[]
}

/**
 * Makes the edits in a copy of a config document. A list or table that becomes empty by a removal is left out.
 *
 * @throws {ToolError} `USAGE`, status 2, for a variable or label without a value and for a port that is none
 */
export function withEdits(document: JsonObject, edits: ConfigEdits & TriggerEdits): JsonObject {
  const old = isObject(document.config) ? document.config : {}
  const changed: Record<string, unknown> = {
    ...(edits.user === undefined ? {} : { User: edits.user }),
    ...(listed(edits.expose) ? { ExposedPorts: withKeys(old.ExposedPorts, edits.expose.map(port)) } : {}),
    ...(listed(edits.unset?.env) || listed(edits.env) ? { Env: withVariables(old.Env, edits) } : {}),
    // As in a Dockerfile, a new entrypoint removes the old arguments.
    ...(edits.entrypoint === undefined ? {} : { Entrypoint: filled(edits.entrypoint), Cmd: undefined }),
    ...(edits.cmd === undefined ? {} : { Cmd: filled(edits.cmd) }),
    ...(listed(edits.volumes) ? { Volumes: withKeys(old.Volumes, edits.volumes) } : {}),
    ...(edits.workingDir === undefined ? {} : { WorkingDir: edits.workingDir }),
    ...(listed(edits.unset?.labels) || listed(edits.labels) ? { Labels: withLabels(old.Labels, edits) } : {}),
    ...(edits.stopSignal === undefined ? {} : { StopSignal: edits.stopSignal }),
    ...(listed(edits.onBuild) ? { OnBuild: [...listOr(old.OnBuild), ...edits.onBuild] } : {}),
  }
  const config = defined({ ...old, ...changed })
  return isDeepStrictEqual(config, old) ? document : { ...document, config }
}

/**
 * `KEY=VALUE` options as an object.
 *
 * @throws {ToolError} `USAGE`, status 2
 */
export function pairs(texts: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const at = text.indexOf('=')
      if (at < 1)
        throw new ToolError('USAGE', `${option} takes KEY=VALUE, got ${JSON.stringify(text)}`, { status: 2 })
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

/**
 * The words of a command given by options: one word each, or all of them in one JSON array. Undefined if the option
 * was not given.
 *
 * @throws {ToolError} `USAGE`, status 2, for a text that begins like a JSON array and is no array of strings
 */
export function words(values: readonly string[], option: string): readonly string[] | undefined {
  const [only] = values
  if (only === undefined) return undefined
  if (values.length !== 1 || !only.startsWith('[')) return values
  try {
    const list: unknown = JSON.parse(only)
    if (Array.isArray(list) && list.every(word => typeof word === 'string')) return list
  } catch {
    // The error below covers this case too.
  }
  throw new ToolError(
    'USAGE',
    `${option} takes a word or a JSON array of strings, got ${JSON.stringify(only)}`,
    { status: 2 },
  )
}

function withVariables(old: unknown, { env = [], unset }: ConfigEdits): string[] | undefined {
  const variables = new Map<string, string>()
  const before = Array.isArray(old) ? old.filter(text => typeof text === 'string') : []
  for (const text of before) variables.set(text.split('=', 1)[0] ?? text, text)
  for (const name of unset?.env ?? []) variables.delete(name)
  for (const [name, value] of Object.entries(pairs(env, '--env'))) variables.set(name, `${name}=${value}`)
  return filled([...variables.values()])
}

function withLabels(old: unknown, { labels = [], unset }: ConfigEdits): JsonObject | undefined {
  const kept = Object.entries(objectOr(old)).filter(([key]) => unset?.labels?.includes(key) !== true)
  const all = { ...Object.fromEntries(kept), ...pairs(labels, '--label') }
  return Object.keys(all).length === 0 ? undefined : all
}

function withKeys(old: unknown, keys: readonly string[]): JsonObject {
  return { ...objectOr(old), ...Object.fromEntries(keys.map(key => [key, {}])) }
}

function port(text: string): string {
  if (!/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/.test(text))
    throw new ToolError('USAGE', `--expose takes PORT[/PROTOCOL], got ${JSON.stringify(text)}`, { status: 2 })
  return text.includes('/') ? text : `${text}/tcp`
}

function listOr(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

function defined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}

function filled(list: readonly string[]): string[] | undefined {
  return list.length === 0 ? undefined : [...list]
}

function listed(list: readonly string[] | undefined): list is readonly string[] {
  return list !== undefined && list.length > 0
}
