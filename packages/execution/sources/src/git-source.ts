import fs from 'node:fs'
import path from 'node:path'
import { parseGitURL } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { at, binaryOf, Rooted } from '@pipelayer/rootfs'
import { git, shownRemote } from './git-program.js'
import { type GitCommit, type GitOptions, GitRepository } from './git-repository.js'

export interface CheckoutOptions extends GitOptions {
  /** Also write the folder `.git`. */
  readonly keepGitDir?: boolean | undefined
  /** Check out submodules, and the submodules of those; done unless false. */
  readonly submodules?: boolean | undefined
  /** `commit` (the default) gives every file the time of the commit; `checkout` gives it the current time. */
  readonly mtime?: string | undefined
}

/** How deep submodules may be nested; more is a loop. */
const MAX_DEPTH = 10

/**
 * Writes the files of a commit into `dir`, which exists and is empty. Nothing of the repository is executed: no hook, no
 * filter.
 *
 * @throws {ToolError} `GIT_FAILED`, `GIT_MISSING`, `GIT_SUBMODULE_INVALID`
 */
export async function checkoutCommit(
  wanted: Omit<Checkout, 'depth'>,
  options: CheckoutOptions,
): Promise<void> {
  await checkout({ ...wanted, depth: 0 }, options)
}

interface Checkout {
  readonly remote: string
  readonly commit: GitCommit
  readonly dir: string
  readonly depth: number
}

async function checkout(wanted: Checkout, options: CheckoutOptions): Promise<void> {
  const { remote, dir, depth } = wanted
  const { commit } = wanted.commit
  const modules = await GitRepository.use(remote, options, async repository => {
    await repository.fetch(wanted.commit)
    if (options.keepGitDir && depth === 0) await clone(repository, wanted, options)
    else await writeTree(repository, commit, dir)
    const seconds = (await repository.local(['show', '-s', '--format=%ct', commit])).toString().trim()
    if (options.mtime !== 'checkout') setTimes(dir, Number(seconds))
    return options.submodules === false ? [] : await submodulesOf(repository, commit)
  })
  if (modules.length > 0 && depth >= MAX_DEPTH)
    throw new ToolError('GIT_SUBMODULE_INVALID', `submodules of ${shownRemote(remote)} lie too deep`)
  // Submodules are fetched one after the other, while no repository is locked: a repository may be a submodule of
  // itself.
  for (const module of modules) {
    const inner = openModule(dir, module.path)
    const from = absoluteRemote(module.url, remote)
    await checkout({ remote: from, commit: { commit: module.commit }, dir: inner, depth: depth + 1 }, options)
  }
}

async function writeTree(repository: GitRepository, commit: string, dir: string): Promise<void> {
  const index = `${dir}.index`
  try {
    const env = { GIT_WORK_TREE: dir, GIT_INDEX_FILE: index }
    await repository.local(['read-tree', '--reset', '-u', commit], env)
  } finally {
    fs.rmSync(index, { force: true })
  }
}

// Makes a repository of its own, which knows its address but no password.
async function clone(repository: GitRepository, wanted: Checkout, options: GitOptions): Promise<void> {
  const { dir, remote } = wanted
  const call = async (args: readonly string[]): Promise<void> => {
    const env = { GIT_DIR: path.join(dir, '.git'), GIT_WORK_TREE: dir }
    await git({ args, env, cwd: dir, protocols: 'file', remote: `file://${repository.dir}` }, options)
  }
  await call(['init', '--quiet'])
  await call(['fetch', '--quiet', '--depth=1', '--no-tags', 'origin', wanted.commit.commit])
  await call(['checkout', '--quiet', '--detach', wanted.commit.commit])
  await call(['config', 'remote.origin.url', shownRemote(remote)])
  await call(['config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*'])
  for (const name of ['FETCH_HEAD', 'ORIG_HEAD', 'logs'])
    fs.rmSync(path.join(dir, '.git', name), { recursive: true, force: true })
}

interface Submodule {
  readonly path: string
  readonly url: string
  readonly commit: string
}

async function submodulesOf(repository: GitRepository, commit: string): Promise<Submodule[]> {
  const listed = fieldsAt0(await repository.local(['ls-tree', '-r', '-z', '--full-tree', commit]))
  const links = listed.flatMap(line => {
    const [, hash, name] = /^160000 commit ([0-9a-f]+)\t(.*)$/s.exec(line) ?? []
    return hash === undefined || name === undefined ? [] : [{ path: name, commit: hash }]
  })
  if (links.length === 0) return []
  const urls = await moduleURLs(repository, commit)
  // As git does, a submodule that .gitmodules does not list is skipped.
  return links.flatMap(link => {
    const url = urls.get(link.path)
    return url === undefined ? [] : [{ ...link, url }]
  })
}

async function moduleURLs(repository: GitRepository, commit: string): Promise<ReadonlyMap<string, string>> {
  const hasFile = (await repository.local(['ls-tree', '-z', commit, '.gitmodules'])).length > 0
  if (!hasFile) return new Map()
  const lines = fieldsAt0(
    await repository.local(['config', '--blob', `${commit}:.gitmodules`, '-z', '--list']),
  )
  const names = new Map<string, { path?: string; url?: string }>()
  for (const line of lines) {
    const [, name, key, value] = /^submodule\.(.*)\.(path|url)\n(.*)$/s.exec(line) ?? []
    if (name === undefined || key === undefined) continue
    names.set(name, { ...names.get(name), [key]: value })
  }
  return new Map([...names.values()].map(({ path: name = '', url = '' }) => [name, url]))
}

function fieldsAt0(bytes: Buffer): string[] {
  return bytes
    .toString('utf8')
    .split('\0')
    .filter(field => field !== '')
}

// The tree is not trusted: a symlink on the way may lead elsewhere.
function openModule(dir: string, name: string): string {
  const inside = subdirectory(dir, name)
  if (inside === undefined || fs.readdirSync(inside).length > 0)
    throw new ToolError('GIT_SUBMODULE_INVALID', `no place for the submodule ${JSON.stringify(name)}`)
  return inside
}

/** A directory below `dir`, reached without `..` and without symlinks; undefined if there is none. */
export function subdirectory(dir: string, name: string): string | undefined {
  const parts = name.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..') || name.includes('\0')) return undefined
  const clean = parts.join('/')
  const root = Rooted.open(dir)
  try {
    const isPlain = root.resolve(binaryOf(clean)) === binaryOf(clean)
    return isPlain && root.lstat(binaryOf(clean))?.isDirectory() ? path.join(dir, clean) : undefined
  } finally {
    root.close()
  }
}

/** The address of a submodule. If it begins with `./` or `../`, it is relative to the address of the parent. */
export function absoluteRemote(url: string, parent: string): string {
  let base = parent.replace(/\/+$/, '')
  let rest = url
  if (/^\.\.?\//.test(url)) {
    for (; /^\.\.?\//.test(rest); rest = rest.slice(rest.indexOf('/') + 1))
      if (rest.startsWith('../')) base = base.replace(/[/:][^/:]*$/, '')
    rest = `${base}/${rest}`
  }
  const parsed = parseGitURL(rest)
  if (parsed === undefined || parsed.host === '' || parsed.host.startsWith('-'))
    throw new ToolError('GIT_SUBMODULE_INVALID', `a submodule lies at ${JSON.stringify(shownRemote(url))}`)
  return parsed.remote
}

function setTimes(dir: string, seconds: number): void {
  const root = Rooted.open(dir)
  try {
    setTimesBelow(root, '', seconds)
  } finally {
    root.close()
  }
}

function setTimesBelow(root: Rooted, dir: string, seconds: number): void {
  for (const name of fs.readdirSync(at(root.fd, dir), { encoding: 'latin1', withFileTypes: true })) {
    const below = dir === '' ? name.name : `${dir}/${name.name}`
    if (name.isDirectory()) setTimesBelow(root, below, seconds)
    else fs.lutimesSync(at(root.fd, below), seconds, seconds)
  }
  fs.utimesSync(at(root.fd, dir), seconds, seconds)
}
