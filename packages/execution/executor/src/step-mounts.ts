import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { type Mount, unmount } from '@pipelayer/containers'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import { cleanName, Rooted } from '@pipelayer/rootfs'
import { findSources, join, lockFile, walkSource } from '@pipelayer/sources'
import {
  type BoundAgent,
  type BoundCache,
  type BoundSecret,
  type BoundTree,
  type CacheMount,
  type SourceRoot,
  type StepMount,
  secretBytes,
} from '@pipelayer/steps'
import { touch } from '@pipelayer/store'
import { Copier } from './copier.js'
import type { ExecutorSetup } from './executor-setup.js'
import { withSource } from './open-source.js'
import { serveAgent } from './ssh-agent.js'
import { startKeyAgent } from './ssh-keys.js'

/** The mounts of a step, ready for a runtime. */
export interface Prepared {
  readonly mounts: readonly Mount[]
  /** Secrets that are passed as variables. */
  readonly env: readonly (readonly [string, string])[]
  close(): void
}

interface Place {
  readonly mount?: Mount
  readonly env?: readonly [string, string]
  readonly close?: () => void
}

/**
 * Prepares the mounts that `RUN --mount` asked for.
 *
 * @throws {ToolError} `NOT_FOUND`, `SECRET_MISSING`, `SSH_MISSING`
 */
export async function prepareMounts(setup: ExecutorSetup, wanted: readonly StepMount[]): Promise<Prepared> {
  const places: Place[] = []
  const close = (): void => {
    for (const place of places.reverse()) place.close?.()
  }
  try {
    for (const mount of wanted) places.push(await prepare(setup, mount))
  } catch (error) {
    close()
    throw error
  }
  return {
    mounts: places.flatMap(place => place.mount ?? []),
    env: places.flatMap(place => (place.env === undefined ? [] : [place.env])),
    close,
  }
}

async function prepare(setup: ExecutorSetup, wanted: StepMount): Promise<Place> {
  if (wanted.type === 'tmpfs') {
    // A tmpfs gets no mode here: the mode depends on the directory that it covers.
    const options = ['nosuid', 'nodev', ...(wanted.size === undefined ? [] : [`size=${wanted.size}`])]
    return { mount: { destination: wanted.target, type: 'tmpfs', source: 'tmpfs', options } }
  }
  if (wanted.type === 'secret') return secret(setup, wanted)
  if (wanted.type === 'ssh') return await agent(setup, wanted)
  return wanted.type === 'cache' ? await cache(setup, wanted) : await bind(setup, wanted)
}

// A context is copied, and the copy is bound. It lacks the files that .dockerignore excludes and belongs to root, and the
// user's own files cannot be changed.
async function bind(setup: ExecutorSetup, wanted: BoundTree): Promise<Place> {
  if (wanted.root.kind === 'context') {
    const source = await copied(setup, wanted.root, wanted.source)
    return { mount: bindMount(source, wanted) }
  }
  const chain = wanted.writable
    ? scratchChain(setup, wanted.root.lowers)
    : setup.openChain(wanted.root.lowers)
  const root = Rooted.open(chain.dir)
  try {
    const real = root.resolve(cleanName(Buffer.from(wanted.source).toString('latin1')))
    if (!root.lstat(real)) throw new ToolError('NOT_FOUND', `"/${real}": not found`)
    const source = path.join(chain.dir, Buffer.from(real, 'latin1').toString())
    return { mount: bindMount(source, wanted), close: chain.close }
  } catch (error) {
    chain.close()
    throw error
  } finally {
    root.close()
  }
}

// Writes go to an upper directory that is thrown away.
function scratchChain(setup: ExecutorSetup, lowers: readonly string[]): { dir: string; close: () => void } {
  if (setup.form === 'tree')
    throw new ToolError('NOT_SUPPORTED', 'a writable bind mount needs overlay mounts')
  const dir = setup.newDir('scratch')
  const [upper, work, merged] = ['upper', 'work', 'merged'].map(name => path.join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [upper, work, merged]) fs.mkdirSync(each, { mode: 0o755 })
  setup.overlays.mount({ lowers, upper, work }, merged)
  return { dir: merged, close: () => unmount(merged) }
}

async function copied(setup: ExecutorSetup, root: SourceRoot, source: string): Promise<string> {
  const dir = setup.newDir('bind')
  fs.chmodSync(dir, 0o755)
  return await withSource(setup, root, async tree => {
    const name = cleanName(Buffer.from(source).toString('latin1'))
    const [found] = findSources(tree, { base: name, optional: false }, [])
    if (found === undefined) throw new ToolError('NOT_FOUND', `"/${source}": not found`)
    const target = Rooted.open(dir)
    const owner = tree.owner ? { owner: tree.owner } : {}
    const copier = new Copier(target, { ...owner, timeNs: 0n, onWarning: setup.warn })
    try {
      const stat = tree.root.lstat(found.real)
      const isDir = stat?.isDirectory() === true
      for (const entry of walkSource(tree.root, found.real, found.selection))
        if (entry.name !== '' || !isDir) await copier.entry(entry, join(isDir ? '' : 'file', entry.name))
      // A mounted directory gets the metadata of its source; but the root of a context has no meaningful owner and
      // mode.
      if (isDir && found.real !== '') describe(dir, tree.owner ?? stat, stat)
      return isDir ? dir : path.join(dir, 'file')
    } finally {
      copier.close()
      target.close()
    }
  })
}

function describe(
  dir: string,
  { uid, gid }: { readonly uid: number | bigint; readonly gid: number | bigint },
  { mode }: fs.BigIntStats,
): void {
  fs.chownSync(dir, Number(uid), Number(gid))
  fs.chmodSync(dir, Number(mode & 0o7777n))
}

async function cache(setup: ExecutorSetup, wanted: BoundCache): Promise<Place> {
  const id = createHash('sha256').update(cacheName(wanted)).digest('hex')
  const dir = path.join(wanted.dir, id)
  fs.mkdirSync(wanted.dir, { recursive: true, mode: 0o700 })
  const lock =
    wanted.sharing === 'shared'
      ? undefined
      : await lockFile(`${dir}.lock`, { wait: wanted.sharing === 'locked' })
  // Another step holds the cache. A private cache then starts empty, and is removed after this build.
  const place =
    wanted.sharing === 'private' && lock === undefined ? path.join(setup.newDir('cache'), id) : dir
  // The content of a cache may be changed without a change of its time.
  if (fs.existsSync(place)) touch(place)
  else {
    if (wanted.origin === undefined) makeCache(place, wanted)
    else await seedCache(setup, place, { root: wanted.origin.root, source: wanted.source })
  }
  return {
    mount: bindMount(place, { target: wanted.target, writable: !wanted.readonly }),
    close: () => lock !== undefined && fs.closeSync(lock),
  }
}

/** As with BuildKit, a cache with other first files, another owner or another mode is a different cache. */
function cacheName({ id, origin, mode, uid, gid }: BoundCache): string {
  if (origin !== undefined) return JSON.stringify([id, origin.key])
  return mode === 0o755 && uid === 0 && gid === 0 ? id : JSON.stringify([id, { mode, uid, gid }])
}

async function seedCache(
  setup: ExecutorSetup,
  place: string,
  { root, source }: { readonly root: SourceRoot; readonly source: string },
): Promise<void> {
  const made = await copied(setup, root, source)
  if (!fs.statSync(made).isDirectory())
    throw new ToolError('MOUNT_INVALID', `a cache begins with a directory, and "/${source}" is none`)
  try {
    fs.renameSync(made, place)
  } catch (error) {
    // Another step has made the cache meanwhile, which is as good.
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error
  }
}

function makeCache(place: string, { mode, uid, gid }: CacheMount): void {
  attempt(`make the cache "${place}"`, () => {
    fs.mkdirSync(place, { recursive: true })
    fs.chownSync(place, uid, gid)
    fs.chmodSync(place, mode)
  })
}

function secret(setup: ExecutorSetup, wanted: BoundSecret): Place {
  if (wanted.from === undefined) {
    if (!wanted.required) return {}
    throw new ToolError(
      'SECRET_MISSING',
      `the secret "${wanted.id}" was not given: --secret id=${wanted.id},src=FILE`,
    )
  }
  const content = secretBytes(wanted.id, wanted.from, setup.env)
  const env = wanted.env === undefined ? {} : { env: [wanted.env, content.toString('utf8')] as const }
  if (wanted.target === undefined) return env
  // Each step gets a file of its own, because another step may use the same secret at the same time.
  const file = setup.newSecretFile()
  fs.writeFileSync(file, content, { mode: 0o600 })
  fs.chownSync(file, wanted.uid, wanted.gid)
  fs.chmodSync(file, wanted.mode)
  return {
    ...env,
    mount: bindMount(file, { target: wanted.target, writable: false }),
    close: () => fs.rmSync(file, { force: true }),
  }
}

async function agent(setup: ExecutorSetup, wanted: BoundAgent): Promise<Place> {
  const { id, from, target } = wanted
  const env = wanted.told ? { env: ['SSH_AUTH_SOCK', target] as const } : {}
  if (from === undefined) {
    // As with BuildKit, the variable is set even if no agent was given.
    if (!wanted.required) return env
    throw new ToolError('SSH_MISSING', `no agent for ssh "${id}" was given: --ssh ${id}`)
  }
  const file = setup.newSecretFile()
  const source = 'keys' in from ? await startKeyAgent(setup, from.keys) : { ...from, close: () => {} }
  const stop = await serveAgent(source.socket, { ...wanted, file })
  const close = (): void => {
    stop()
    source.close()
  }
  return { ...env, mount: bindMount(file, { target, writable: true }), close }
}

function bindMount(
  source: string,
  { target, writable }: { readonly target: string; readonly writable: boolean },
): Mount {
  return { destination: target, type: 'bind', source, options: writable ? ['bind'] : ['bind', 'ro'] }
}
