/**
 * containerd's hosts.toml.
 *
 * ```
 * server = "https://registry-1.docker.io"
 * [host."https://mirror.example"]
 *   capabilities = ["pull", "resolve"]
 *   ca = "ca.pem"                       or a list; relative to the file
 *   client = [["client.cert", "client.key"]]
 *   skip_verify = true
 *   override_path = true                the address ends in /v2/PREFIX, and PREFIX goes before the path
 * ```
 *
 * Spec: containerd, docs/hosts.md.
 *
 * @module
 */
import {
  type Endpoint,
  invalid,
  isTable,
  optional,
  type Route,
  type RouteOptions,
  type Table,
} from './endpoint.js'
import { parseTOML } from './registries-conf.js'

/** The source of a hosts.toml. `readFile` gives the text of a file that it names, relative to its folder. */
export interface HostsSource {
  /** For messages. */
  readonly name: string
  readFile(path: string): string
}

/**
 * Reads a file and returns the route to a repository.
 *
 * Hosts without the capability `pull` are left out; hosts without `resolve` are asked for digests only. Headers are not
 * read.
 *
 * @throws ToolError `MIRRORS_INVALID`; errors of `readFile`
 */
export function parseHosts(text: string, source: HostsSource, options: RouteOptions): Route {
  const document = parseTOML(text, source.name)
  const hosts = document.host ?? {}
  if (!isTable(hosts)) throw invalid(source.name, 'host is not a table')
  const mirrors = Object.entries(hosts).flatMap(([address, table]) => {
    if (!isTable(table)) throw invalid(source.name, `host ${JSON.stringify(address)} is not a table`)
    return readHost(address, table, { source, options })
  })
  const server = optional(document, 'server', { type: 'string', source: source.name })
  const own =
    server === undefined
      ? [{ domain: options.domain, path: options.path, resolves: true }]
      : readHost(server, document, { source, options })
  return { rule: source.name, blocked: false, endpoints: [...mirrors, ...own] }
}

interface Context {
  readonly source: HostsSource
  readonly options: RouteOptions
}

function readHost(address: string, table: Table, { source, options }: Context): Endpoint[] {
  const { name } = source
  const capabilities =
    table.capabilities === undefined ? ['pull', 'resolve'] : strings(table, 'capabilities', name)
  if (!capabilities.includes('pull')) return []
  const url = parseAddress(address, name)
  const isWhole = optional(table, 'override_path', { type: 'boolean', source: name }) ?? false
  const prefix = prefixOf(url, { address, isWhole, name })
  const authorities = strings(table, 'ca', name).map(file => source.readFile(file))
  const identity = identityOf(table, source)
  const skipVerify = optional(table, 'skip_verify', { type: 'boolean', source: name }) ?? false
  return [
    {
      domain: url.host === 'registry-1.docker.io' ? 'docker.io' : url.host,
      path: prefix + options.path,
      resolves: options.byDigest || capabilities.includes('resolve'),
      ...(/:\/\//.test(address) && { plainHttp: url.protocol === 'http:' }),
      ...(skipVerify && { skipVerify }),
      ...(authorities.length > 0 && { authorities }),
      ...(identity && { identity }),
    },
  ]
}

function parseAddress(address: string, name: string): URL {
  const text = /^[a-z]+:\/\//i.test(address) ? address : `https://${address}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (url !== undefined && isWeb && url.host !== '' && url.username === '' && url.password === '') return url
  throw invalid(name, `not the address of a registry: ${JSON.stringify(address)}`)
}

interface Address {
  readonly address: string
  readonly isWhole: boolean
  readonly name: string
}

// Our requests begin with /v2/, so only a path behind /v2/ can be put before the name of a repository.
function prefixOf(url: URL, { address, isWhole, name }: Address): string {
  const path = url.pathname.replace(/\/+$/, '')
  if (path === '' && !isWhole) return ''
  const rest = /^\/v2(?:\/(.*))?$/.exec(path)
  if (rest === null || (!isWhole && rest[1] !== undefined)) {
    throw invalid(
      name,
      `the path of ${JSON.stringify(address)} is not supported: only /v2, or /v2/PREFIX with override_path`,
    )
  }
  return rest[1] === undefined ? '' : `${rest[1]}/`
}

// `client` is one file with certificate and key, or a list of pairs of files, of which the first is used.
function identityOf(table: Table, source: HostsSource): Endpoint['identity'] {
  const { client } = table
  const first: unknown = Array.isArray(client) ? client[0] : client
  if (first === undefined) return undefined
  const [cert, key = cert] = Array.isArray(first) ? (first as unknown[]) : [first]
  if (typeof cert !== 'string' || typeof key !== 'string') throw invalid(source.name, 'client names no files')
  return { cert: source.readFile(cert), key: source.readFile(key || cert) }
}

function strings(table: Table, field: string, name: string): readonly string[] {
  const value = table[field] ?? []
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.every(item => typeof item === 'string')) return list as readonly string[]
  throw invalid(name, `${field} is not a list of strings`)
}
