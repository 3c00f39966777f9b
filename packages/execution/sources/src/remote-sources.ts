import { type GitRef, remoteGitRef } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { RetryOptions } from '@pipelayer/registry'
import { binaryOf } from '@pipelayer/rootfs'
import { type Remote, type RemoteRequest, type SecretSource, secretBytes } from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'
import { shownRemote } from './git-program.js'
import { COMMIT, type GitCommit, resolveCommit } from './git-repository.js'
import { type CheckoutOptions, checkoutCommit, subdirectory } from './git-source.js'
import { fetchHttp, httpFileName } from './http-source.js'
import type { TempFolders } from './temp-folders.js'

/** What is needed to reach the network: the user's proxies and tokens, and a folder for what is fetched. */
export interface RemoteSetup {
  readonly store: Store
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** How often and how long a server is tried. */
  readonly retry?: Partial<RetryOptions> | undefined
  /** The user's secrets; tokens for git hosts are among them. */
  readonly secrets: ReadonlyMap<string, SecretSource>
  readonly onWarning?: ((message: string) => void) | undefined
}

/** Fetches files of the web and git repositories, during one build. */
export class RemoteSources {
  readonly #setup: RemoteSetup
  readonly #trees = new Map<string, Promise<string>>()
  readonly #temp: TempFolders

  constructor(setup: RemoteSetup, temp: TempFolders) {
    this.#setup = setup
    this.#temp = temp
  }

  /**
   * Finds a source: asks a repository for a commit, or fetches a file that has no checksum.
   *
   * @throws {ToolError} those of {@link resolveCommit} and {@link fetchHttp}
   */
  async find(source: string, request: RemoteRequest): Promise<Remote> {
    const ref = remoteGitRef(source)
    return ref === undefined ? await this.#http(source, request) : await this.#git(ref, request)
  }

  /**
   * The files of a repository in a folder of this build.
   *
   * @throws {ToolError} `GIT_SUBDIR_INVALID` if the subdirectory does not exist, or lies behind a symlink
   */
  async tree(ref: GitRef, request: RemoteRequest = {}): Promise<string> {
    const { found, options } = await this.#resolve(ref, request)
    return await this.#checkout(ref, found, options)
  }

  async #http(address: string, { checksum, unpack = false }: RemoteRequest): Promise<Remote> {
    const options = { ...this.#setup, checksum }
    const name = binaryOf(httpFileName(address))
    // With a checksum, the file is not fetched just to make the key, since the cache may have the step.
    const early = checksum === undefined ? await fetchHttp(address, options) : undefined
    return {
      key: early
        ? { http: early.digest, mtime: early.mtime, name, unpack }
        : { http: checksum, name, unpack },
      fetch: async before => {
        const file = early ?? (await fetchHttp(address, options))
        const timeNs = String(BigInt(file.mtime) * 1_000_000_000n)
        return { kind: 'file', before, path: file.path, name, timeNs, unpack }
      },
    }
  }

  async #git(ref: GitRef, request: RemoteRequest): Promise<Remote> {
    const { found, options } = await this.#resolve(ref, request)
    const { keepGitDir = false, submodules = true, mtime = 'commit' } = options
    const origin = keepGitDir ? { remote: shownRemote(ref.remote) } : {}
    return {
      key: { git: found.commit, subdir: ref.subdir ?? '', keepGitDir, submodules, mtime, ...origin },
      fetch: async before => ({ kind: 'tree', before, dir: await this.#checkout(ref, found, options) }),
    }
  }

  async #resolve(
    ref: GitRef,
    request: RemoteRequest,
  ): Promise<{ readonly found: GitCommit; readonly options: CheckoutOptions }> {
    const { store, env, signal, retry, secrets } = this.#setup
    if (request.checksum !== undefined && ref.checksum !== undefined && request.checksum !== ref.checksum)
      throw new ToolError(
        'GIT_REF_INVALID',
        `--checksum=${request.checksum}: the address says ${ref.checksum}`,
      )
    const authorization = (host: string): string | undefined => gitHeader(host, secrets, env)
    const reach = { store, env, signal, retry, authorization }
    const checksum = request.checksum ?? ref.checksum
    const wanted = ref.fetchByCommit === true ? fullCommit(ref, checksum) : ref.ref
    const found = await resolveCommit({ remote: remoteOf(ref), ref: wanted, checksum }, reach)
    const keepGitDir = request.keepGitDir ?? ref.keepGitDir
    return { found, options: { ...reach, keepGitDir, submodules: ref.submodules, mtime: ref.mtime } }
  }

  async #checkout(ref: GitRef, found: GitCommit, options: CheckoutOptions): Promise<string> {
    const { keepGitDir, submodules, mtime } = options
    const key = JSON.stringify([ref.remote, found.commit, keepGitDir, submodules, mtime])
    const known = this.#trees.get(key) ?? this.#write(remoteOf(ref), found, options)
    this.#trees.set(key, known)
    const dir = await known
    if (ref.subdir === undefined) return dir
    const inside = subdirectory(dir, ref.subdir)
    if (inside === undefined)
      throw new ToolError(
        'GIT_SUBDIR_INVALID',
        `${shownRemote(ref.remote)} has no directory ${JSON.stringify(ref.subdir)} at ${found.commit}`,
      )
    return inside
  }

  async #write(remote: string, found: GitCommit, options: CheckoutOptions): Promise<string> {
    const dir = this.#temp.make()
    await checkoutCommit({ remote, commit: found, dir }, options)
    return dir
  }
}

/** The commit that `fetch-by-commit` asks for: the one that is named, whatever the reference beside it is now. */
function fullCommit({ remote, ref }: GitRef, checksum: string | undefined): string {
  const commit = checksum ?? ref ?? ''
  if (COMMIT.test(commit)) return commit
  const what =
    'fetch-by-commit needs the whole name of a commit: 40 or 64 hexadecimal digits as commit or checksum'
  throw new ToolError('GIT_REF_INVALID', `${shownRemote(remote)}: ${what}`)
}

function remoteOf(ref: GitRef): string {
  return ref.looksLocal ? `https://${ref.remote}` : ref.remote
}

/**
 * As with BuildKit, the secret `GIT_AUTH_HEADER` is the header, and `GIT_AUTH_TOKEN` is a token; with `.HOST` appended,
 * they are for that host only.
 */
function gitHeader(
  host: string,
  secrets: RemoteSetup['secrets'],
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  for (const name of [`GIT_AUTH_HEADER.${host}`, 'GIT_AUTH_HEADER']) {
    const from = secrets.get(name)
    if (from !== undefined) return secretBytes(name, from, env).toString('utf8').trim()
  }
  for (const name of [`GIT_AUTH_TOKEN.${host}`, 'GIT_AUTH_TOKEN']) {
    const from = secrets.get(name)
    if (from === undefined) continue
    const token = secretBytes(name, from, env).toString('utf8').trim()
    return `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`
  }
  return undefined
}
