/**
 * Parses addresses of git repositories, as ADD and `--context` take them.
 *
 *     ref    = url | scp | "github.com/" path
 *     url    = ( "https" | "http" | "ssh" | "git" ) "://" [ user [ ":" password ] "@" ] host [ path ] [ "?" query ] [ "#" where ]
 *     scp    = user "@" host ":" path [ "?" query ] [ "#" where ]
 *     where  = [ REF ] [ ":" SUBDIR ]
 *     query  = KEY [ "=" value ] { "&" KEY [ "=" value ] }
 *
 * Spec: https://docs.docker.com/reference/dockerfile/#adding-files-from-a-git-repository
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { parseGoBoolean } from './run.js'
import { quote } from './source.js'

const SCHEME = /^([a-zA-Z0-9]+):\/\//
const SCHEMES = new Set(['http', 'https', 'ssh', 'git'])
const URL_PARTS = /^(?:([^@/]*)@)?([^/]*)(\/.*)?$/
const SCP_PARTS = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*)$/
const MTIMES = new Set(['checkout', 'commit'])

export interface GitURL {
  readonly scheme: string
  readonly user?: string
  readonly password?: string
  /** With the port. */
  readonly host: string
  /** With a leading slash; in the scp form as it is written. */
  readonly path: string
  /** The address for `git`, without query and fragment. */
  readonly remote: string
  readonly ref?: string
  readonly subdir?: string
  readonly query: ReadonlyMap<string, readonly string[]>
}

/** @returns undefined for text that names no repository, such as a local path */
export function parseGitURL(text: string): GitURL | undefined {
  const { head, query, ref, subdir } = splitTail(text)
  const tail = { query, ...(ref === '' ? {} : { ref }), ...(subdir === '' ? {} : { subdir }) }
  const scheme = SCHEME.exec(head)?.[1]?.toLowerCase()
  if (scheme !== undefined) return SCHEMES.has(scheme) ? parseWithScheme(head, scheme, tail) : undefined
  const [, user, host, path] = SCP_PARTS.exec(head) ?? []
  if (user === undefined || host === undefined || path === undefined) return undefined
  return { scheme: 'ssh', user, host, path, remote: head, ...tail }
}

type Tail = Pick<GitURL, 'query' | 'ref' | 'subdir'>

function parseWithScheme(head: string, scheme: string, tail: Tail): GitURL | undefined {
  const rest = head.slice(scheme.length + 3)
  const [, userinfo, host, path = ''] = URL_PARTS.exec(rest) ?? []
  const decoded = decode(path)
  if (host === undefined || decoded === undefined) return undefined
  const colon = userinfo?.indexOf(':') ?? -1
  const user = decode(colon < 0 ? userinfo : userinfo?.slice(0, colon))
  const password = decode(colon < 0 ? undefined : userinfo?.slice(colon + 1))
  return {
    scheme,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    host,
    path: decoded,
    remote: `${scheme}://${rest}`,
    ...tail,
  }
}

function decode(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function splitTail(text: string): { head: string; query: GitURL['query']; ref: string; subdir: string } {
  const [beforeHash = '', fragment = ''] = cut(text, '#')
  const [head = '', queryText = ''] = cut(beforeHash, '?')
  const [ref = '', subdir = ''] = cut(decode(fragment) ?? fragment, ':')
  const query = new Map<string, string[]>()
  for (const [key, value] of new URLSearchParams(queryText))
    query.set(key, [...(query.get(key) ?? []), value])
  return { head, query, ref, subdir }
}

function cut(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

export interface GitRef {
  readonly remote: string
  /** Name of the repository, without `.git`. */
  readonly shortName: string
  /** Branch, tag or commit. */
  readonly ref?: string
  /** The commit that `ref` must lead to. */
  readonly checksum?: string
  readonly subdir?: string
  /** True for `github.com/...`, which could be a local path too: only a build context may be written so. */
  readonly looksLocal: boolean
  /** True for `git://` and `http://`. */
  readonly unencrypted: boolean
  readonly keepGitDir?: boolean
  readonly submodules?: boolean
  readonly mtime?: string
  /** Fetch the commit that `checksum` names, even where `ref` leads elsewhere by now. */
  readonly fetchByCommit?: boolean
}

/**
 * Reads the address of a git repository. An http(s) address is one only when its path ends in `.git`.
 *
 * ```ts
 * parseGitRef('https://github.com/moby/buildkit.git#v0.20:docs')?.ref // 'v0.20'
 * ```
 *
 * @returns undefined when it is something else: a file, a folder, a download
 * @throws {@link ToolError} `GIT_REF_INVALID` when it is a git repository with a wrong query
 */
export function parseGitRef(text: string): GitRef | undefined {
  if (text.startsWith('./') || text.startsWith('../')) return undefined
  const looksLocal = text.startsWith('github.com/')
  const url = parseGitURL(looksLocal ? `https://${text}` : text)
  if (url === undefined) return undefined
  if (!looksLocal && url.scheme.startsWith('http') && !url.path.endsWith('.git')) return undefined
  const remote = looksLocal ? url.remote.slice('https://'.length) : url.remote
  return {
    remote,
    shortName: remote.slice(remote.lastIndexOf('/') + 1).replace(/\.git$/, ''),
    looksLocal,
    unencrypted: !looksLocal && (url.scheme === 'git' || url.scheme === 'http'),
    ...readQuery(text, url),
  }
}

type Choices = Partial<
  Pick<GitRef, 'ref' | 'checksum' | 'subdir' | 'keepGitDir' | 'submodules' | 'mtime' | 'fetchByCommit'>
>

function readQuery(text: string, url: GitURL): Choices {
  const query = new QueryReader(text, url.query)
  const tag = prefixed('refs/tags/', query.text('tag'))
  const branch = prefixed('refs/heads/', query.text('branch'))
  if (tag !== undefined && branch !== undefined) throw query.error('tag and branch exclude each other')
  const checksum = query.same('checksum', query.text('checksum'), query.text('commit'))
  const named = query.same(
    'ref',
    query.same('ref', query.same('ref', url.ref, query.text('ref')), tag),
    branch,
  )
  const ref = named ?? checksum
  const subdir = query.same('subdir', url.subdir, query.text('subdir'))
  const keepGitDir = query.flag('keep-git-dir')
  const submodules = query.flag('submodules')
  const mtime = query.text('mtime')
  const fetchByCommit = query.flag('fetch-by-commit')
  if (mtime !== undefined && !MTIMES.has(mtime))
    throw query.error(`mtime ${quote(mtime)} is neither checkout nor commit`)
  query.finish()
  return Object.fromEntries(
    Object.entries({ ref, checksum, subdir, keepGitDir, submodules, mtime, fetchByCommit }).filter(
      ([, value]) => value !== undefined,
    ),
  )
}

function prefixed(prefix: string, name: string | undefined): string | undefined {
  return name === undefined || name.startsWith(prefix) ? name : prefix + name
}

class QueryReader {
  readonly #text: string
  readonly #left: Map<string, readonly string[]>

  constructor(text: string, query: GitURL['query']) {
    this.#text = text
    this.#left = new Map(query)
  }

  error(why: string): ToolError {
    return new ToolError('GIT_REF_INVALID', `git reference ${quote(this.#text)}: ${why}`)
  }

  text(key: string): string | undefined {
    const value = this.#take(key)
    if (value === '') throw this.error(`${key} has no value`)
    return value
  }

  flag(key: string): boolean | undefined {
    const value = this.#take(key)
    if (value === undefined || value === '') return value === undefined ? undefined : true
    const flag = parseGoBoolean(value)
    if (flag === undefined) throw this.error(`${key} ${quote(value)} is neither true nor false`)
    return flag
  }

  /** Refuses two different values for one key. */
  same(key: string, first: string | undefined, second: string | undefined): string | undefined {
    if (first !== undefined && second !== undefined && first !== second) {
      throw this.error(`${key} is both ${quote(first)} and ${quote(second)}`)
    }
    return first ?? second
  }

  /** Refuses keys that were not read, since they are unknown. */
  finish(): void {
    const [unknown] = this.#left.keys()
    if (unknown !== undefined) throw this.error(`unknown query ${quote(unknown)}`)
  }

  #take(key: string): string | undefined {
    const values = this.#left.get(key)
    this.#left.delete(key)
    if (values !== undefined && values.length > 1) throw this.error(`${key} is given ${values.length} times`)
    return values?.[0]
  }
}
