import { ToolError } from '@pipelayer/errors'

/** One host that serves a repository. */
export interface Endpoint {
  /** `mirror.example:5000` */
  readonly domain: string
  /** Of the repository, there. */
  readonly path: string
  /** Ask it what a tag means; otherwise it is asked for digests only. */
  readonly resolves: boolean
  /** True: HTTP without TLS. False: TLS, even on loopback. Absent: as for any other host. */
  readonly plainHttp?: boolean
  readonly skipVerify?: boolean
  /** PEM. */
  readonly authorities?: readonly string[]
  readonly identity?: { readonly cert: string; readonly key: string }
}

/** Where a repository is read from: in this order, until one answers. */
export interface Route {
  /** What rules it, for messages: the name of a prefix or of a file. */
  readonly rule: string
  readonly blocked: boolean
  readonly endpoints: readonly Endpoint[]
}

export interface RouteOptions {
  readonly domain: string
  readonly path: string
  /** The reference names a digest, so that any host may be believed. */
  readonly byDigest: boolean
}

/** @internal */
export function invalid(source: string, why: string): ToolError {
  return new ToolError('MIRRORS_INVALID', `"${source}": ${why}`)
}

/** @internal A field that must have a type, if it is there. */
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
