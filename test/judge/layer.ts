/**
 * Judges the layer package: unpacking, and change sets.
 *
 * @module
 */

import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { diffOverlay, diffTrees } from '@pipelayer/change-set'
import { decompress } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import { type BlobSink, packChanges } from '@pipelayer/packing'
import type { ChangeRecord } from '@pipelayer/records'
import { type ReadEntry, TarParser } from '@pipelayer/tar'
import { compareTrees, readTree } from '@pipelayer/testkit'
import { applyLayer, applyLayerOverlay } from '@pipelayer/unpacking'
import { failedCheck, inside, inThrowAway, type Json, runOps, sha256, walk } from './layer-tree.js'

type Verdict = 'pass' | `policy:${string}` | { fail: string }
type Row = { id: string; in: Json; want: Json; dir?: string; policy?: unknown }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Promise<Verdict>

/** Runs `work` on `parent/root`, and checks that nothing else below the temporary folder has changed. */
async function watched(work: (root: string, parent: string) => Promise<Verdict>): Promise<Verdict> {
  return await inThrowAway(async parent => {
    const root = path.join(parent, 'root')
    fs.mkdirSync(root)
    const top = path.resolve(parent, '../../../..')
    const seen = (): string => JSON.stringify([...readTree(top, { except: ['a/b/c/parent/root'] })])
    fs.writeFileSync(path.join(parent, 'file'), 'outside')
    const before = seen()
    const verdict = await work(root, parent)
    return seen() === before ? verdict : { fail: 'changed something outside the root' }
  })
}

/** Undefined if `work` succeeds; otherwise the refusal. An error that is no ToolError is a crash. */
async function refusal(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof ToolError) return `${error.message} [${error.code}]`
    throw error
  }
}

function tarOf(file: string): AsyncIterable<Buffer> {
  return decompress(fs.createReadStream(file))
}

const unpack: Adapter = async (row, { dir }) =>
  await watched(async root => {
    runOps(root, row.in.base ?? [])
    const refused = await refusal(() => applyLayer(tarOf(path.join(dir, row.dir ?? '', row.in.file)), root))
    if (row.want.rejected === true) return refused === undefined ? { fail: 'accepted' } : 'pass'
    if (refused !== undefined) return row.want.contained === true ? 'pass' : { fail: refused }
    return verdictOf(failedCheck(root, row.want.checks ?? []))
  })

const unpackLayers: Adapter = async (row, { dir }) =>
  await watched(async root => {
    for (const layer of row.in.layers) await applyLayer(tarOf(path.join(dir, row.dir ?? '', layer)), root)
    const { paths, survive = [], gone = [], exists } = row.want
    if (paths !== undefined && JSON.stringify(walk(root)) !== JSON.stringify(paths))
      return { fail: `walk: ${walk(root).join(' ')}` }
    const isThere = (name: string): boolean =>
      fs.lstatSync(inside(root, name), { throwIfNoEntry: false }) !== undefined
    const lost = [...survive, ...(exists === undefined ? [] : [exists].flat())].filter(
      (name: string) => !isThere(name),
    )
    return verdictOf([...lost.map(name => `lost ${name}`), ...gone.filter(isThere)].join(', ') || undefined)
  })

const breakout: Adapter = async (row, { dir }) =>
  await inThrowAway(async parent => {
    const [dest, victim] = [path.join(parent, 'dest'), path.join(parent, 'victim')]
    fs.mkdirSync(path.join(dest, 'victim'), { recursive: true })
    fs.mkdirSync(victim)
    const secret = crypto.randomBytes(32)
    fs.writeFileSync(path.join(victim, 'hello'), secret)
    const before = JSON.stringify([...readTree(parent, { except: ['dest'] })])
    const refused = await refusal(() => applyLayer(tarOf(path.join(dir, row.dir ?? '', row.in.file)), dest))
    if (JSON.stringify([...readTree(parent, { except: ['dest'] })]) !== before)
      return { fail: 'the victim changed' }
    if (row.want.rejected === true && refused === undefined) return { fail: 'accepted' }
    const files = walk(dest).filter(name => fs.lstatSync(path.join(dest, name)).isFile())
    const leaks = files.filter(name => fs.readFileSync(path.join(dest, name)).equals(secret))
    return verdictOf(leaks.length > 0 ? `leaked: ${leaks.join(' ')}` : undefined)
  })

const unpackOverlay: Adapter = async (row, { dir }) => {
  const names: string[] = row.in.entries.map((entry: Json) => entry.name)
  // By image-spec layer.md, a whiteout hides only entries of lower layers. In umoci it also hides a file of its own
  // layer.
  const isOwn = names.some(name => names.includes(name.replace(/[^/]*$/, '.wh.$&')))
  if (isOwn && row.want.checks.some((check: Json) => check.check === 'overlay-whiteout'))
    return 'policy:own-whiteout'
  for (const namespace of row.in.xattr_namespace as string[]) {
    const verdict = await watched(async root => {
      const xattrs = namespace === 'user.' ? 'user' : 'trusted'
      await applyLayerOverlay(tarOf(path.join(dir, row.dir ?? '', row.in.file)), root, { xattrs })
      return verdictOf(
        failedCheck(
          root,
          row.want.checks.map((check: Json) => ({ ...check, namespace })),
        ),
      )
    })
    if (verdict !== 'pass') return verdict
  }
  return 'pass'
}

const flatten: Adapter = async (row, { dir }) =>
  await watched(async root => {
    const folder = path.join(dir, row.dir ?? '')
    const layers: Buffer[] = row.in.layers
      ? row.in.layers.map((name: string) => fs.readFileSync(path.join(folder, name)))
      : layersOf(fs.readFileSync(path.join(folder, row.in.file)))
    const refused = await refusal(async () => {
      for (const layer of layers) await applyLayer(decompress(once(layer)), root)
    })
    if (row.want.rejected !== undefined) {
      // By design, a leading slash means the root, so a clean name after it is accepted.
      if (row.want.rejected && refused === undefined && /^unsafe:\//.test(row.id) && !row.id.includes('..'))
        return 'policy:leading-slash'
      return (refused !== undefined) === row.want.rejected ? 'pass' : { fail: refused ?? 'accepted' }
    }
    return refused === undefined ? verdictOf(flattenedDifference(root, row.want)) : { fail: refused }
  })

function layersOf(archive: Buffer): Buffer[] {
  const files = new Map<string, Buffer>()
  for (const { entry, content } of contentsOf(archive)) files.set(entry.name, content)
  const manifest: Json = JSON.parse(String(files.get('manifest.json')))
  return manifest[0].Layers.map((name: string) => files.get(name) ?? Buffer.alloc(0))
}

function flattenedDifference(root: string, want: Json): string | undefined {
  const paths = walk(root)
  const bad = (want.absent_basename ?? []).filter((name: string) =>
    paths.some(p => path.basename(p) === name),
  )
  if (bad.length > 0) return `there: ${bad.join(' ')}`
  if (want.flattened === undefined) return undefined
  const wanted = new Map<string, string>(Object.entries(want.flattened as Record<string, string>))
  for (const name of paths) {
    const key = name.replace(/\/$/, '')
    const got = name.endsWith('/') ? '5' : flattened(path.join(root, name))
    const expected = wanted.get(key)
    wanted.delete(key)
    // A directory that no entry describes is made all the same.
    const isImplied =
      got === '5' && [...Object.keys(want.flattened)].some(other => other.startsWith(`${key}/`))
    if (expected !== got && !(expected === undefined && isImplied)) return `${key}: ${got}, not ${expected}`
  }
  return wanted.size === 0 ? undefined : `missing: ${[...wanted.keys()].join(' ')}`
}

function flattened(file: string): string {
  const stat = fs.lstatSync(file)
  return stat.isFile() ? `0:${sha256(fs.readFileSync(file))}` : stat.isSymbolicLink() ? '2' : '?'
}

const roundTrip: Adapter = async row =>
  await inThrowAway(async parent => {
    const [now, before] = [path.join(parent, 'now'), path.join(parent, 'before')]
    for (const dir of [now, before]) fs.mkdirSync(dir)
    for (const [index, step] of (row.in.steps as Json[][]).entries()) {
      runOps(now, step)
      const layer = await packed(diffTrees(before, now))
      if (layer !== undefined) await applyLayer(once(layer), before)
      const differences = compareTrees(before, now, { ignore: ['mtime'] })
      if (differences.length > 0) return { fail: `step ${index}: ${differences.join('; ')}` }
    }
    return 'pass'
  })

const changes: Adapter = async row => {
  if (row.in.mode === 'aufs') return 'policy:aufs-upper'
  return await inThrowAway(async parent => {
    const [a, b] = [path.join(parent, 'a'), path.join(parent, 'b')]
    fs.mkdirSync(a)
    runOps(a, row.in.a ?? [])
    if (row.in.mode === 'full') {
      spawnSync('cp', ['-a', a, b])
      runOps(b, row.in.b ?? [])
      const records = [...diffTrees(a, b)]
      const verdict = changesVerdict(records, row.want.changes, [])
      if (verdict === 'pass') return verdict
      const others = records.filter(
        ({ op, path: name = '' }) => !(op === 'modify' && isQuietChange(a, b, name)),
      )
      return changesVerdict(others, row.want.changes, []) === 'pass' ? 'policy:content-decides' : verdict
    }
    fs.mkdirSync(b)
    runOps(b, row.in.upper ?? [], a)
    const xattrs = JSON.stringify(row.in.upper).includes('"user.overlay.') ? 'user' : 'trusted'
    const opaque = (row.in.upper as Json[])
      .filter(op => /overlay\.opaque$/.test(op.name ?? ''))
      .map(op => clean(op.path))
    return changesVerdict([...diffOverlay({ upper: b, lowers: [a], xattrs })], row.want.changes, opaque)
  })
}

/** Whether a file has other content with the same size and time, which is not seen without reading contents. */
function isQuietChange(a: string, b: string, name: string): boolean {
  const [before, after] = [a, b].map(root =>
    fs.lstatSync(path.join(root, name), { bigint: true, throwIfNoEntry: false }),
  )
  if (before?.isFile() !== true || after?.isFile() !== true) return false
  return before.size === after.size && before.mtimeNs === after.mtimeNs && before.mode === after.mode
}

function clean(name: string): string {
  return `/${name
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/')}`
}

/**
 * Compares change sets. For an opaque directory of an upper, we list its effect as whiteouts and changes, and others
 * list the directory itself. So below such a directory only the added and modified entries are compared, without their
 * kinds.
 */
function changesVerdict(records: ChangeRecord[], want: Json[], opaque: readonly string[]): Verdict {
  const isBelow = (name: string): boolean => opaque.some(dir => name === dir || name.startsWith(`${dir}/`))
  const rows = (list: { kind: string; path: string }[]): string[] =>
    list
      .map(({ kind, path: name }) => ({ kind, name: clean(name) }))
      .filter(({ kind, name }) => !(isBelow(name) && (kind === 'delete' || opaque.includes(name))))
      .map(({ kind, name }) => (isBelow(name) ? `changed ${name}` : `${kind} ${name}`))
      .sort()
  const got = rows(
    records.filter(({ parent }) => !parent).map(({ op, path: name }) => ({ kind: op, path: name ?? '' })),
  )
  const wanted = rows(want)
  return verdictOf(
    JSON.stringify(got) === JSON.stringify(wanted)
      ? undefined
      : `got ${got.join(', ')} want ${wanted.join(', ')}`,
  )
}

const diffTar: Adapter = async row =>
  await inThrowAway(async parent => {
    const [a, b] = [path.join(parent, 'a'), path.join(parent, 'b')]
    fs.mkdirSync(a)
    runOps(a, row.in.a ?? [])
    spawnSync('cp', ['-a', a, b])
    runOps(b, row.in.b ?? [])
    const layer = await packed(diffTrees(a, b))
    const got = layer === undefined ? [] : contentsOf(layer).map(gotEntry)
    return setVerdict(grouped(got, row.want.entries), grouped(row.want.entries, row.want.entries))
  })

interface Listed {
  readonly type: string
  readonly name: string
  readonly mode?: string
  readonly content?: string
  readonly linkname?: string
}

function gotEntry({ entry, content }: { entry: ReadEntry; content: Buffer }): Listed {
  const isWhiteout = path.basename(entry.name).startsWith('.wh.')
  const type = isWhiteout ? 'whiteout' : entry.type === 'hardlink' ? 'link' : entry.type
  const mode = `0${entry.mode.toString(8)}`
  return { type, name: entry.name, mode, content: content.toString(), linkname: entry.linkname }
}

/** Hard links by group, since the producer chooses which of the names is the file. */
function grouped(entries: readonly Listed[], wanted: readonly Listed[]): string[] {
  const files = new Map<string, string[]>()
  for (const { type, name, linkname } of entries) {
    if (type === 'file') files.set(name, [...(files.get(name) ?? []), name])
    else if (type === 'link' && linkname !== undefined)
      files.set(linkname, [...(files.get(linkname) ?? []), name])
  }
  const groups = [...files]
    .filter(([, names]) => names.length > 1)
    .map(([, names]) => names.sort().join(' = '))
  const inGroup = new Set([...files.values()].filter(names => names.length > 1).flat())
  const lines = entries.map(entry => {
    const want = wanted.find(({ name }) => name === entry.name)
    const isLinked = inGroup.has(entry.name)
    const mode = want?.mode === undefined || isLinked ? '' : (entry.mode ?? '')
    const content = want?.content === undefined || isLinked ? '' : (entry.content ?? '')
    const target = entry.type === 'symlink' ? entry.linkname : ''
    return [isLinked ? 'linked' : entry.type, entry.name, mode, content, target].join(' ')
  })
  return [...lines, ...groups].sort()
}

const overlayToTar: Adapter = async row =>
  await inThrowAway(async parent => {
    runOps(parent, row.in.upper)
    const namespace = row.in.xattr_namespace ?? 'trusted.'
    const layer = await packed(
      diffOverlay({ upper: parent, xattrs: namespace === 'user.' ? 'user' : 'trusted' }),
    )
    const entries = layer === undefined ? [] : contentsOf(layer).map(({ entry }) => entry)
    if (row.want.no_devices && entries.some(({ type }) => type === 'char')) return { fail: 'a device' }
    const hasPrivate = entries.some(({ xattrs }) =>
      [...xattrs.keys()].some(name => name.includes('overlay.')),
    )
    if (row.want.no_overlay_xattrs && hasPrivate) return { fail: 'an xattr of overlayfs' }
    // umoci's layers have an entry for the root itself; Docker's and ours have none.
    const isPath = (name: string): boolean => name !== '.' && name !== './'
    return setVerdict(
      entries.map(({ name }) => name),
      (row.want.names as string[]).filter(isPath),
    )
  })

function setVerdict(got: readonly string[], want: readonly string[]): Verdict {
  const [g, w] = [[...got].sort(), [...want].sort()].map(list => JSON.stringify(list))
  return verdictOf(g === w ? undefined : `got ${g} want ${w}`)
}

function verdictOf(failure: string | undefined): Verdict {
  return failure === undefined ? 'pass' : { fail: failure }
}

/** The tar of a set of changes; undefined if there are none. */
async function packed(records: Iterable<ChangeRecord>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  const sink: BlobSink = {
    write: chunk => void chunks.push(Buffer.from(chunk)),
    commit: async () => ({ digest: '', size: 0 }),
    abort: () => undefined,
  }
  await packChanges(records, () => sink, { compress: { format: 'none' }, mtimeNs: true })
  return chunks.length === 0 ? undefined : Buffer.concat(chunks)
}

function contentsOf(tar: Buffer): { entry: ReadEntry; content: Buffer }[] {
  const found: { entry: ReadEntry; content: Buffer }[] = []
  const parser = new TarParser()
  for (const event of parser.push(tar)) {
    if (event.type === 'entry') found.push({ entry: event.entry, content: Buffer.alloc(0) })
    const last = found.at(-1)
    if (event.type === 'data' && last !== undefined) last.content = Buffer.concat([last.content, event.bytes])
  }
  parser.finish()
  return found
}

async function* once(data: Buffer): AsyncGenerator<Buffer, void, void> {
  yield data
}

export const adapters: Record<string, Adapter> = {
  'unpack/containerd': unpack,
  'unpack/moby-misc': unpack,
  'unpack/umoci-scoping': unpack,
  'unpack/umoci-whiteout': unpack,
  'unpack/moby-breakouts': breakout,
  'unpack/moby-whiteouts': unpackLayers,
  'unpack/umoci-opaque': unpackLayers,
  'unpack/umoci-overlay': unpackOverlay,
  'unpack/ggcr-flatten': flatten,
  'diff/apply-roundtrip': roundTrip,
  'diff/changes': changes,
  'diff/containerd-difftar': diffTar,
  'diff/overlay-to-layer': overlayToTar,
}
