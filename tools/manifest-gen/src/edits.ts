import { ToolError } from '@pipelayer/errors'
import { isObject, type JsonObject } from '@pipelayer/oci'

/** The changes that options make in a config's `config` object. Spec: image-spec v1.1, config.md. */
export interface ConfigEdits {
  readonly cmd?: readonly string[]
  readonly entrypoint?: readonly string[]
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

/** Makes the edits in a copy of a config document. */
export function withEdits(document: JsonObject, edits: ConfigEdits): JsonObject {
  const old = isObject(document.config) ? document.config : {}
  const changed: Record<string, unknown> = {
    ...(edits.user === undefined ? {} : { User: edits.user }),
    ...(listed(edits.expose) ? { ExposedPorts: withKeys(old.ExposedPorts, edits.expose.map(port)) } : {}),
    ...(listed(edits.env) ? { Env: withVariables(old.Env, edits.env) } : {}),
    // As in a Dockerfile, a new entrypoint removes the old arguments.
    ...(listed(edits.entrypoint) ? { Entrypoint: edits.entrypoint, Cmd: undefined } : {}),
    ...(listed(edits.cmd) ? { Cmd: edits.cmd } : {}),
    ...(listed(edits.volumes) ? { Volumes: withKeys(old.Volumes, edits.volumes) } : {}),
    ...(edits.workingDir === undefined ? {} : { WorkingDir: edits.workingDir }),
    ...(listed(edits.labels)
      ? { Labels: { ...objectOr(old.Labels), ...pairs(edits.labels, '--label') } }
      : {}),
    ...(edits.stopSignal === undefined ? {} : { StopSignal: edits.stopSignal }),
  }
  return Object.keys(changed).length === 0
    ? document
    : { ...document, config: defined({ ...old, ...changed }) }
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
 * The words of a command given by options: one word each, or all of them in one JSON array.
 *
 * @throws {ToolError} `USAGE`, status 2, for a text that begins like a JSON array and is no array of strings
 */
export function words(values: readonly string[], option: string): readonly string[] {
  const [only] = values
  if (values.length !== 1 || only === undefined || !only.startsWith('[')) return values
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

function withVariables(old: unknown, added: readonly string[]): string[] {
  const variables = new Map<string, string>()
  const before = Array.isArray(old) ? old.filter(text => typeof text === 'string') : []
  for (const text of before) variables.set(text.split('=', 1)[0] ?? text, text)
  for (const [name, value] of Object.entries(pairs(added, '--env'))) variables.set(name, `${name}=${value}`)
  return [...variables.values()]
}

function withKeys(old: unknown, keys: readonly string[]): JsonObject {
  return { ...objectOr(old), ...Object.fromEntries(keys.map(key => [key, {}])) }
}

function port(text: string): string {
  if (!/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/.test(text))
    throw new ToolError('USAGE', `--expose takes PORT[/PROTOCOL], got ${JSON.stringify(text)}`, { status: 2 })
  return text.includes('/') ? text : `${text}/tcp`
}

function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

function defined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}

function listed(list: readonly string[] | undefined): list is readonly string[] {
  return list !== undefined && list.length > 0
}
