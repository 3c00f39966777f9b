/**
 * Judges builds: a Dockerfile and its context go through kf-parse, kf-run, ovl-diff and layer-pack, and the layers are
 * unpacked; the tree and the config are compared whole.
 *
 * @module
 */

import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { diffOverlay, diffTrees } from '@pipelayer/change-set'
import { decompress } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import { kfParse } from '@pipelayer/kf-parse'
import { kfRun } from '@pipelayer/kf-run'
import { packChanges } from '@pipelayer/packing'
import type { AnyRecord, SnapshotRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { applyLayer } from '@pipelayer/unpacking'
import { inThrowAway, type Json } from './layer-tree.js'

type Verdict = 'pass' | `policy:${string}` | { fail: string }
type Row = { id: string; in: Json; want: Json; dir?: string; policy?: unknown }
type Adapter = (row: Row, context: { dir: string }) => Promise<Verdict>

/** The result of a build: an unpacked tree and the config, or the reason of a refusal. */
export type Built = { readonly tree: string; readonly config: Json } | { readonly refused: string }

interface BuildRequest {
  readonly dockerfile: string
  readonly context: string
  /** The folder of the row, for its store and its tree. */
  readonly place: string
  readonly buildArgs?: readonly string[]
  /** Changes the records that kf-run reads. */
  readonly edit?: (records: AsyncIterable<AnyRecord>) => AsyncIterable<AnyRecord>
}

/** The executor is the built program; the other programs run in this process. */
export async function build(wish: BuildRequest): Promise<Built> {
  const root = path.join(wish.place, 'store')
  const tree = path.join(wish.place, 'tree')
  fs.mkdirSync(tree)
  try {
    const records = kfParse(wish.dockerfile, { stdin: Readable.from([]) })
    const options = optionsFor(root, wish)
    const config = await unpack(kfRun(wish.edit?.(records) ?? records, options), Store.open(root), tree)
    return { tree, config }
  } catch (error) {
    if (error instanceof ToolError) return { refused: `${error.message} [${error.code}]` }
    throw error
  }
}

function optionsFor(store: string, { context, buildArgs = [] }: BuildRequest): Parameters<typeof kfRun>[1] {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME }
  const { signal } = new AbortController()
  const build = { context, args: buildArgs }
  return { store, build, steps: { executor: executor() }, env, signal, now: new Date() }
}

function executor(): string {
  let dir = path.dirname(fileURLToPath(import.meta.url))
  while (!fs.existsSync(path.join(dir, 'tools/kf-run'))) dir = path.dirname(dir)
  return path.join(dir, 'tools/kf-run/dist/executor.cjs')
}

async function unpack(records: AsyncIterable<AnyRecord>, store: Store, tree: string): Promise<Json> {
  let config: Json
  for await (const record of records) {
    if (record.type === 'config') config = (record as Json).config.config
    if (record.type !== 'snapshot') continue
    const packed = await packChanges(changesOf(record as SnapshotRecord), () => store.blobWriter())
    if (packed !== undefined) await applyLayer(decompress(store.openBlob(packed.digest)), tree)
  }
  return config
}

function changesOf(snapshot: SnapshotRecord): ReturnType<typeof diffTrees> {
  const { upper, lowers = [], before, after = '' } = snapshot
  return upper === undefined ? diffTrees(before, after) : diffOverlay({ upper, lowers })
}

/** Describes a tree as the rows do: path to type, mode, owner, link target, size and digest. */
function describe(root: string): Record<string, Json> {
  return Object.fromEntries(namesBelow(root, '').map(name => [name, describeEntry(path.join(root, name))]))
}

// readdir's own recursion would follow symlinks to directories.
function namesBelow(root: string, dir: string): string[] {
  return fs.readdirSync(path.join(root, dir), { withFileTypes: true }).flatMap(entry => {
    const name = path.join(dir, entry.name)
    return entry.isDirectory() ? [name, ...namesBelow(root, name)] : [name]
  })
}

function describeEntry(file: string): Json {
  const stat = fs.lstatSync(file)
  const mode = `0${(stat.mode & 0o7777).toString(8).padStart(3, '0')}`
  const common = { mode, uid: stat.uid, gid: stat.gid }
  if (stat.isDirectory()) return { type: 'dir', ...common }
  if (stat.isSymbolicLink()) return { type: 'symlink', ...common, linkname: fs.readlinkSync(file) }
  const sha256 = crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex')
  return { type: 'file', ...common, size: stat.size, sha256 }
}

/** Differences between two objects, one line each. */
function differences(got: Record<string, Json>, want: Record<string, Json>): string[] {
  const keys = [...new Set([...Object.keys(got), ...Object.keys(want)])].sort()
  return keys.flatMap(key => {
    const [g, w] = [sorted(got[key]), sorted(want[key])]
    return g === w ? [] : [`${key}: got ${g}, want ${w}`]
  })
}

function sorted(value: Json): string {
  return JSON.stringify(value, (_, item: Json) =>
    item !== null && typeof item === 'object' && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
}

/** Fields of Docker's own: buildah leaves them out of the OCI configs that the rows were recorded from. */
const DOCKER_ONLY = ['ArgsEscaped', 'Healthcheck', 'OnBuild', 'Shell']

// A WorkingDir of "/" means the same as none.
function plainConfig(config: Json, want: Json): Json {
  const fields = Object.entries(config).filter(
    ([name, value]) =>
      (name in want || !DOCKER_ONLY.includes(name)) && !(name === 'WorkingDir' && value === '/'),
  )
  return Object.fromEntries(fields)
}

/**
 * Whether BuildKit, whose behaviour counts, refuses what buildah accepts. It is decided by the instruction, so that new
 * rows are judged in the same way: a directory never replaces another kind of entry, or the other way round, and a
 * wildcard without a match copies nothing.
 */
function isBuildKitRefusal(refused: string): boolean {
  return refused.endsWith('[CANNOT_REPLACE]')
}

function hasEmptyWildcard(dockerfile: string): boolean {
  return /^\s*(COPY|ADD)\s.*[*?[]/im.test(fs.readFileSync(dockerfile, 'utf8'))
}

// For files that ADD unpacks, BuildKit uses the owner of --chown, and buildah the owners in the archive.
function givesArchiveAway(dockerfile: string): boolean {
  return /^\s*ADD\s.*--chown=/im.test(fs.readFileSync(dockerfile, 'utf8'))
}

function hasContainerIgnore(dockerfile: string, name: string): boolean {
  return fs.existsSync(path.join(dockerfile.slice(0, -name.length), '.containerignore'))
}

const contexts: Adapter = async (row, { dir }) => {
  if (row.want === null) return 'policy:no-expectation'
  const context = path.join(dir, row.dir ?? '', row.in.dir)
  const dockerfile = path.join(context, row.in.dockerfile)
  return await inThrowAway(async place => judge(row, await build({ dockerfile, context, place }), dockerfile))
}

function judge(row: Row, built: Built, dockerfile: string): Verdict {
  if ('refused' in built) {
    if (row.want.error !== undefined) return 'pass'
    return isBuildKitRefusal(built.refused) ? 'policy:buildkit-replaces-files-only' : { fail: built.refused }
  }
  if (row.want.error !== undefined) {
    const isEmpty = fs.readdirSync(built.tree).length === 0
    return isEmpty && hasEmptyWildcard(dockerfile) ? 'policy:buildkit-empty-wildcard' : { fail: 'was built' }
  }
  const wrong = [
    ...differences(describe(built.tree), row.want.tree),
    ...differences(plainConfig(built.config, row.want.config), plainConfig(row.want.config, row.want.config)),
  ]
  if (wrong.length === 0) return 'pass'
  if (hasContainerIgnore(dockerfile, row.in.dockerfile)) return 'policy:containerignore'
  if (givesArchiveAway(dockerfile)) return 'policy:buildkit-chown-of-archives'
  return { fail: wrong.slice(0, 5).join('; ') }
}

const copyExclude: Adapter = async row =>
  await inThrowAway(async place => {
    const context = path.join(place, 'context')
    fs.mkdirSync(context)
    for (const [type, name, content] of row.in.context) makeEntry(path.join(context, name), type, content)
    for (const [index, text] of row.in.dockerfiles.entries()) {
      const at = path.join(place, String(index))
      fs.mkdirSync(at)
      fs.writeFileSync(path.join(at, 'Dockerfile'), text)
      const built = await build({ dockerfile: path.join(at, 'Dockerfile'), context, place: at })
      const why = 'refused' in built ? built.refused : wrongPath(path.join(built.tree, row.in.path), row.want)
      if (why !== undefined) return { fail: why }
    }
    return 'pass'
  })

function makeEntry(file: string, type: string, content: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  if (type === 'dir') fs.mkdirSync(file, { recursive: true })
  else if (type === 'link') fs.symlinkSync(content, file)
  else fs.writeFileSync(file, content)
}

function wrongPath(file: string, want: Json): string | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (want.absent) return stat ? 'it is there' : undefined
  if (!stat) return 'it is not there'
  const got = stat.isSymbolicLink() ? fs.readlinkSync(file) : fs.readFileSync(file, 'utf8')
  return got === want.content ? undefined : `it is ${JSON.stringify(got)}`
}

export const adapters: Record<string, Adapter> = {
  'builds/scratch-contexts': contexts,
  'builds/newer-flags': contexts,
  'buildkit/copy-exclude': copyExclude,
}
