import { ToolError } from '@pipelayer/errors'

/** One host that serves a repository. */
export interface Endpoint {
  /** `mirror.example:5000` */
  readonly domain: string
  /** Path of the repository on that host. */
  readonly path: string
  /** Whether the host may resolve tags; otherwise it is asked for digests only. */
  readonly resolves: boolean
  /** True for HTTP without TLS, false for TLS even on loopback. Absent: as for any other host. */
  readonly plainHttp?: boolean
  readonly skipVerify?: boolean
  /** PEM. */
  readonly authorities?: readonly string[]
  readonly identity?: { readonly cert: string; readonly key: string }
}

/** The hosts from which a repository is read, in this order, until one answers. */
export interface Route {
  /** The prefix or the file that the route comes from, for messages. */
  readonly rule: string
  readonly blocked: boolean
  readonly endpoints: readonly Endpoint[]
}

export interface RouteOptions {
  readonly domain: string
  readonly path: string
  /** Whether the reference names a digest, so that the answer of any host can be checked. */
  readonly byDigest: boolean
}

/** @internal */
export function invalid(source: string, why: string): ToolError {
  return new ToolError('MIRRORS_INVALID', `"${source}": ${why}`)
}

/** @internal A field that must have the given type, if it is present. */
export function optional<T extends 'string' | 'boolean'>(
  table: Table,
  field: string,
  { type, source }: { readonly type: T; readonly source: string },
): (T extends 'string' ? string : boolean) | undefined {
  const value = table[field]
  if (value === undefined || typeof value === type) {
    return value as (T extends 'string' ? string : boolean) | undefined
  }
  throw invalid(source, `${field} is not a ${type}`)
}

/** @internal */
export type Table = Readonly<Record<string, unknown>>

/** @internal */
export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
