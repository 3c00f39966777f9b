import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import type { Store } from '@pipelayer/store'
import { lockFile } from './file-lock.js'
import { type GitCall, type GitEnvironment, git, REMOTE_PROTOCOLS, shownRemote } from './git-program.js'

/** The full name of a commit. */
export const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i

export interface GitOptions extends GitEnvironment {
  readonly store: Store
}

/** The commit of a repository that is wanted. */
export interface GitWanted {
  /** The address for git, without query and fragment. */
  readonly remote: string
  /** A branch, a tag, a full reference name or a commit; the default branch unless said. */
  readonly ref?: string | undefined
  /** The commit that the reference must lead to, or the beginning of its name. */
  readonly checksum?: string | undefined
}

/** The commit that a reference leads to. */
export interface GitCommit {
  readonly commit: string
  /** The full name of the reference, if one led to the commit. */
  readonly name?: string
}

/**
 * Asks a repository which commit a reference is now. The full name of a commit needs no question: it is a hash of the
 * content.
 *
 * Tags come before branches of the same name.
 *
 * @throws {ToolError} `GIT_REF_UNKNOWN`, `GIT_CHECKSUM_MISMATCH`, `GIT_REF_INVALID`, `GIT_FAILED`
 */
export async function resolveCommit(wanted: GitWanted, options: GitOptions): Promise<GitCommit> {
  const { remote, ref = 'HEAD', checksum } = wanted
  if (checksum !== undefined && !/^[0-9a-f]{4,64}$/i.test(checksum))
    throw new ToolError('GIT_REF_INVALID', `a commit is named by hexadecimal digits, not by "${checksum}"`)
  if (COMMIT.test(ref)) return checked({ commit: ref.toLowerCase(), objects: [] }, wanted)
  if (/[\0-\x20\x7f~^:?*[\\]/.test(ref) || ref.split('/').some(part => part === '..' || part === ''))
    throw new ToolError('GIT_REF_INVALID', `no git reference: ${JSON.stringify(ref)}`)
  const args = ['ls-remote', '--end-of-options', 'origin', ref, `${ref}^{}`]
  const out = await git({ args, remote, protocols: REMOTE_PROTOCOLS, cwd: '/' }, options)
  const names = new Map(
    out
      .toString('utf8')
      .split('\n')
      .map(line => line.split('\t'))
      .map(([hash = '', name = '']) => [name, hash]),
  )
  for (const name of candidates(ref)) {
    const object = names.get(name)
    if (object === undefined || !COMMIT.test(object)) continue
    const commit = names.get(`${name}^{}`) ?? object
    return checked({ commit, name, objects: [object] }, wanted)
  }
  throw new ToolError('GIT_REF_UNKNOWN', `${shownRemote(remote)} has no reference ${JSON.stringify(ref)}`)
}

function candidates(ref: string): string[] {
  if (ref === 'HEAD') return ['HEAD']
  const below = (prefix: string): string => (ref.startsWith(prefix) ? ref : prefix + ref)
  return [below('refs/tags/'), below('refs/heads/'), below('refs/')]
}

function checked(
  found: GitCommit & { readonly objects: readonly string[] },
  { remote, ref, checksum }: GitWanted,
): GitCommit {
  const { objects, ...commit } = found
  const wanted = checksum?.toLowerCase() ?? ''
  if ([found.commit, ...objects].some(object => object.startsWith(wanted))) return commit
  throw new ToolError(
    'GIT_CHECKSUM_MISMATCH',
    `${ref ?? 'HEAD'} of ${shownRemote(remote)} is ${found.commit}, expected ${checksum}`,
  )
}

/** A bare repository in the store, with everything that was fetched from a remote. It is locked while it is used. */
export class GitRepository {
  readonly dir: string
  readonly #remote: string
  readonly #options: GitOptions

  private constructor(dir: string, remote: string, options: GitOptions) {
    this.dir = dir
    this.#remote = remote
    this.#options = options
  }

  /** Runs `work` while no other build uses the repository. */
  static async use<T>(
    remote: string,
    options: GitOptions,
    work: (repository: GitRepository) => Promise<T>,
  ): Promise<T> {
    const folder = options.store.folder('git')
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    const dir = path.join(folder, createHash('sha256').update(remote).digest('hex'))
    const lock = await lockFile(`${dir}.lock`, { wait: true, signal: options.signal })
    try {
      options.store.touch(`${dir}.lock`)
      const repository = new GitRepository(dir, remote, options)
      await repository.#prepare()
      return await work(repository)
    } finally {
      if (lock !== undefined) fs.closeSync(lock)
    }
  }

  /** Fetches a commit with all of its files, and as little else as the server allows. */
  async fetch({ commit, name }: GitCommit): Promise<void> {
    if (await this.#has(commit)) return
    const all = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
    // The commit is asked for by its hash; then by its name, if the server does not give hashes; then all is fetched,
    // if the server knows no shallow clones.
    const ways = [
      ['--depth=1', '--no-tags', 'origin', commit],
      ...(name === undefined ? [] : [['--depth=1', '--no-tags', 'origin', name]]),
      ['--no-tags', 'origin', ...all],
    ]
    let problem: unknown
    for (const way of ways) {
      try {
        await this.#git(['fetch', '--quiet', '--no-auto-gc', '--no-write-fetch-head', ...way])
      } catch (error) {
        this.#options.signal?.throwIfAborted()
        problem = error
      }
      if (await this.#has(commit)) return
    }
    throw (
      problem ??
      new ToolError('GIT_REF_UNKNOWN', `${shownRemote(this.#remote)} has no commit ${commit} any more`)
    )
  }

  /** Runs git on the repository without network access. */
  async local(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    return await git({ args, env: { GIT_DIR: this.dir, ...env }, cwd: this.dir }, this.#options)
  }

  async #git(args: readonly string[]): Promise<void> {
    const call: GitCall = { args, env: { GIT_DIR: this.dir }, cwd: this.dir }
    await git({ ...call, remote: this.#remote, protocols: REMOTE_PROTOCOLS }, this.#options)
  }

  async #prepare(): Promise<void> {
    if (!fs.existsSync(path.join(this.dir, 'HEAD'))) {
      fs.rmSync(this.dir, { recursive: true, force: true })
      await git({ args: ['init', '--quiet', '--bare', '--', this.dir], cwd: '/' }, this.#options)
      await this.local(['config', 'uploadpack.allowAnySHA1InWant', 'true'])
    }
    // These files were left by a build that was killed: no other build uses the repository now.
    for (const name of fs.readdirSync(this.dir))
      if (name.endsWith('.lock')) fs.rmSync(path.join(this.dir, name), { force: true })
  }

  async #has(commit: string): Promise<boolean> {
    try {
      await this.local(['cat-file', '-e', `${commit}^{commit}`])
      return true
    } catch (error) {
      if (error instanceof ToolError && error.code === 'GIT_FAILED') return false
      throw error
    }
  }
}
