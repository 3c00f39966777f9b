/**
 * containers-registries.conf(5), version 2.
 *
 * ```
 * credential-helpers = ["containers-auth.json", "secretservice"]
 * [[registry]]
 * prefix = "h.example/team"        or "*.h.example"; the longest that fits wins; location, unless said
 * location = "other.example/team"  takes the prefix's place
 * insecure = true                  TLS without checks, else plain HTTP
 * blocked = true
 * [[registry.mirror]]              asked before the location, in this order
 * location = "mirror.example"
 * pull-from-mirror = "all"         or "digest-only", "tag-only"
 * ```
 *
 * @module
 */
import { parse } from 'smol-toml'
import {
  type Endpoint,
  invalid,
  isTable,
  optional,
  type Route,
  type RouteOptions,
  type Table,
} from './endpoint.js'

interface Location {
  readonly location: string
  readonly insecure: boolean
}

interface Mirror extends Location {
  readonly pull: string
}

/** One `[[registry]]`. */
export interface RegistryRule extends Location {
  readonly prefix: string
  readonly blocked: boolean
  readonly mirrors: readonly Mirror[]
}

/** The rules, by prefix. */
export type Registries = ReadonlyMap<string, RegistryRule>

const PULLS = new Set(['all', 'digest-only', 'tag-only'])

/**
 * Reads a file.
 *
 * @param source - its name, for messages
 * @throws ToolError `MIRRORS_INVALID`
 */
export function parseRegistries(text: string, source: string): Registries {
  const document = parseTOML(text, source)
  if (document.registries !== undefined)
    throw invalid(source, 'it is of version 1: write [[registry]] tables')
  const rules = tables(document, 'registry', source).map(table => readRule(table, source))
  return new Map(rules.map(rule => [rule.prefix, rule]))
}

/**
 * `credential-helpers`: the programs that keep credentials, in their order; `containers-auth.json` stands for the
 * configuration files. Undefined where the file has no such list.
 *
 * @throws ToolError `MIRRORS_INVALID`
 */
export function parseHelpers(text: string, source: string): readonly string[] | undefined {
  const list = parseTOML(text, source)['credential-helpers']
  if (list === undefined) return undefined
  if (Array.isArray(list) && list.every(name => typeof name === 'string')) return list as readonly string[]
  throw invalid(source, 'credential-helpers is not a list of strings')
}

/** The route to a repository; undefined when no prefix fits. */
export function routeIn(registries: Registries, options: RouteOptions): Route | undefined {
  const name = `${options.domain}/${options.path}`
  let best: { readonly rule: RegistryRule; readonly length: number } | undefined
  for (const rule of registries.values()) {
    const length = matchLength(rule.prefix, name)
    if (length > 0 && rule.prefix.length > (best?.rule.prefix.length ?? 0)) best = { rule, length }
  }
  if (best === undefined) return undefined
  const { rule, length } = best
  const rest = name.slice(length)
  const used = rule.mirrors.filter(
    ({ pull }) => pull === 'all' || (pull === 'digest-only') === options.byDigest,
  )
  const places = [...used, rule].map(({ location, insecure }) => ({
    insecure,
    name: location === '' ? name : location + rest,
  }))
  return { rule: rule.prefix, blocked: rule.blocked, endpoints: places.flatMap(place => endpoints(place)) }
}

// How many characters of the name the prefix covers; 0 when it does not fit. A prefix ends where a component does.
function matchLength(prefix: string, name: string): number {
  if (prefix.startsWith('*.')) {
    const host = name.slice(0, name.indexOf('/'))
    return host.endsWith(prefix.slice(1)) ? host.length : 0
  }
  return name === prefix || name.startsWith(`${prefix}/`) ? prefix.length : 0
}

function endpoints({ name, insecure }: { readonly name: string; readonly insecure: boolean }): Endpoint[] {
  const slash = name.indexOf('/')
  const [domain, path] = [name.slice(0, slash), name.slice(slash + 1)]
  const endpoint = { domain, path, resolves: true }
  if (!insecure) return [endpoint]
  return [
    { ...endpoint, plainHttp: false, skipVerify: true },
    { ...endpoint, plainHttp: true },
  ]
}

function readRule(table: Table, source: string): RegistryRule {
  const location = locationOf(table, source)
  const prefix = optional(table, 'prefix', { type: 'string', source }) || location.location
  if (prefix === '') throw invalid(source, 'a [[registry]] has neither prefix nor location')
  if (
    !/^(?:\*\.)?[^\s/*:]+(?::\d+)?(?:\/[^\s:]+)?$/.test(prefix) ||
    (prefix.startsWith('*.') && prefix.includes('/'))
  ) {
    throw invalid(source, `not a prefix: ${JSON.stringify(prefix)}`)
  }
  const mirrors = tables(table, 'mirror', source).map(mirror => readMirror(mirror, { table, prefix, source }))
  const blocked = optional(table, 'blocked', { type: 'boolean', source }) ?? false
  const whole = location.location === '' && !prefix.startsWith('*.') ? prefix : location.location
  return { ...location, location: whole, prefix, blocked, mirrors }
}

interface RuleContext {
  readonly table: Table
  readonly prefix: string
  readonly source: string
}

function readMirror(mirror: Table, { table, prefix, source }: RuleContext): Mirror {
  const location = locationOf(mirror, source)
  if (location.location === '') throw invalid(source, `a mirror of ${prefix} has no location`)
  const digestsOnly = optional(table, 'mirror-by-digest-only', { type: 'boolean', source }) ?? false
  const pull = optional(mirror, 'pull-from-mirror', { type: 'string', source })
  if (pull !== undefined && !PULLS.has(pull)) {
    throw invalid(source, `pull-from-mirror is ${JSON.stringify(pull)}, not ${[...PULLS].join(', ')}`)
  }
  return { ...location, pull: pull ?? (digestsOnly ? 'digest-only' : 'all') }
}

function locationOf(table: Table, source: string): Location {
  const location = (optional(table, 'location', { type: 'string', source }) ?? '').replace(/\/+$/, '')
  if (/\s|:\/\//.test(location)) throw invalid(source, `not a location: ${JSON.stringify(location)}`)
  return { location, insecure: optional(table, 'insecure', { type: 'boolean', source }) ?? false }
}

function tables(table: Table, field: string, source: string): readonly Table[] {
  const list = table[field] ?? []
  if (Array.isArray(list) && list.every(isTable)) return list
  throw invalid(source, `${field} is not a list of tables: write [[${field}]]`)
}

/** @throws ToolError `MIRRORS_INVALID`, naming the source */
export function parseTOML(text: string, source: string): Table {
  try {
    return parse(text)
  } catch (error) {
    const [why = ''] = (error as Error).message.split('\n', 1)
    throw invalid(source, why)
  }
}
