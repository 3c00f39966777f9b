// Dockerfiles built with our pipe and with a Docker engine's BuildKit: trees and configs are the same, except for the
// differences that buildkit/differences.json explains. The results of the engine are recorded
// (scripts/refresh-buildkit). Cases on a Debian and those of the fixtures take minutes: scripts/test --all runs them.
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { debianTree, need, ROOT, type Scope, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type BuildCase, fixtureCases, ownCases, setTimes } from './buildkit/cases.js'
import { buildEngine, engineVersion, loadBase } from './buildkit/engine.js'
import {
  differences,
  explain,
  type Golden,
  type KnownDifference,
  readGolden,
  writeGolden,
} from './buildkit/golden.js'
import { applyLayers } from './buildkit/image-tree.js'
import { buildOurs, packBase } from './buildkit/ours.js'
import { type Base, type Result, resultOf } from './buildkit/result.js'

const FOLDER = path.join(ROOT, 'test/buildkit')
/** Is set by scripts/refresh-buildkit: record the results of the engine. */
const REFRESH = process.env.PIPELAYER_BUILDKIT_REFRESH === '1'
const ALL = REFRESH || process.env.PIPELAYER_TEST_ALL === '1'
const tooLong = ALL ? false : 'takes minutes: scripts/test --all runs it'
/** Parts of the names of the cases to run. */
const ONLY = (process.env.PIPELAYER_BUILDKIT_ONLY ?? '').split(',')
const isWanted = ({ name }: BuildCase): boolean => ONLY.some(part => name.includes(part))
const known = JSON.parse(
  fs.readFileSync(path.join(FOLDER, 'differences.json'), 'utf8'),
) as readonly KnownDifference[]
const IMAGES = 'docker.io/pipelayer-test'
const used = new Set<KnownDifference>()

/** Base images by reference: made from a tree, or built on another image. */
interface Place {
  readonly dir: string
  readonly store: string
  readonly bases: Base[]
}

function makePlace(scope: Scope): Place {
  const dir = tempDir(scope, 'buildkit')
  return { dir, store: path.join(dir, 'store'), bases: [] }
}

function makeTree(program: string, dir: string): void {
  const { status, stderr } = spawnSync(path.join(FOLDER, program), [dir], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program}: ${stderr}`)
}

/** Builds an image that Dockerfiles name in FROM, from `dockerfile` and a context. */
async function addBase(place: Place, reference: string, dockerfile: string, context: string): Promise<void> {
  const built = await buildOurs({ name: reference, dockerfile, context }, place.store, reference)
  if ('error' in built) throw new Error(`${reference}: ${built.error}`)
  const layers = built.layers.map(layer => layer.file)
  const diffIDs = built.layers.map(layer => layer.diffID)
  place.bases.push({ diffIDs, tree: await applyLayers(new Map(), layers) })
  if (REFRESH) loadBase(place.store, reference, place.dir)
}

/** Makes such an image from a tree; it has one layer and no history. */
async function addTree(place: Place, reference: string, tree: string): Promise<void> {
  packBase(tree, {
    store: place.store,
    reference,
    flags: '--env PATH=/usr/sbin:/usr/bin:/sbin:/bin --cmd sh',
  })
  const dockerfile = path.join(place.dir, 'base.Dockerfile')
  fs.writeFileSync(dockerfile, `FROM ${reference}\n`)
  await addBase(place, reference, dockerfile, place.dir)
}

/** Packs a tree into an image whose config is empty, even without a PATH. */
function addBare(place: Place, reference: string, [tree, flags = '']: readonly [string, string?]): void {
  packBase(tree, { store: place.store, reference, flags })
  if (REFRESH) loadBase(place.store, reference, place.dir)
}

async function checkCases(
  t: Test,
  place: Place,
  set: { name: string; cases: readonly BuildCase[]; base?: string },
): Promise<void> {
  const golden = readGolden(FOLDER, set.name)
  const recorded: Record<string, Result> = { ...golden?.cases }
  for (const one of set.cases.filter(isWanted)) {
    if (REFRESH)
      recorded[one.name] = await resultOf(buildEngine(one, path.join(place.dir, 'saved')), place.bases)
    await checkCase(t, place, one, recorded[one.name])
  }
  if (!REFRESH) return
  const names = new Set(set.cases.map(({ name }) => name))
  const cases = Object.fromEntries(Object.entries(recorded).filter(([name]) => names.has(name)))
  const file: Golden = { engine: engineVersion(), ...(set.base ? { base: set.base } : {}), cases }
  writeGolden(FOLDER, set.name, file)
}

async function checkCase(t: Test, place: Place, one: BuildCase, theirs: Result | undefined): Promise<void> {
  if (theirs === undefined) {
    t.fail(`${one.name}: nothing is recorded: scripts/refresh-buildkit ${one.name}`)
    return
  }
  const ours = await resultOf(await buildOurs(one, place.store), place.bases)
  const unexplained = differences(ours, theirs).filter(difference => {
    const reason = explain(known, one.name, difference)
    if (reason !== undefined) used.add(reason)
    return reason === undefined
  })
  t.same(
    unexplained.map(({ at, ours, theirs }) => `${at}: ours ${ours}, theirs ${theirs}`),
    [],
    one.name,
  )
  for (const result of [ours, theirs]) {
    if (one.fails === undefined) continue
    t.match(
      'error' in result ? result.error : 'was built',
      new RegExp(one.fails, 'i'),
      `${one.name} says why`,
    )
  }
}

t.test('Dockerfiles on nothing and on a small root', { skip: need('root', 'busybox', 'setcap') }, async t => {
  const place = makePlace(t)
  const context = path.join(place.dir, 'context')
  makeTree('make-context', context)
  setTimes(context)
  makeTree('make-special', path.join(place.dir, 'special'))
  const root = path.join(place.dir, 'root')
  makeTree('make-root', root)
  await addTree(place, `${IMAGES}/small:1`, root)
  addBare(place, `${IMAGES}/bare:1`, [root])
  addBare(place, `${IMAGES}/shell:1`, [root, '--cmd sh'])
  for (const name of ['configured', 'triggers']) {
    const dockerfile = path.join(FOLDER, 'bases', `${name}.Dockerfile`)
    await addBase(place, `${IMAGES}/${name}:1`, dockerfile, context)
  }
  await checkCases(t, place, { name: 'small', cases: ownCases(FOLDER, context).small })
})

t.test('Dockerfiles on Debian', { skip: need('root', 'debootstrap') || tooLong }, async t => {
  const place = makePlace(t)
  const context = path.join(place.dir, 'context')
  const { debian } = ownCases(FOLDER, context)
  if (!debian.some(isWanted)) return
  makeTree('make-context', context)
  setTimes(context)
  const tree = await debianTree()
  const base = identity(tree)
  const recordedOn = readGolden(FOLDER, 'debian')?.base
  if (!REFRESH && recordedOn !== base) {
    t.pass('skipped', {
      skip: `recorded on another Debian (${recordedOn}, here ${base}): scripts/refresh-buildkit`,
    })
    return
  }
  await addTree(place, `${IMAGES}/debian:1`, tree)
  await checkCases(t, place, { name: 'debian', cases: debian, base })
})

/** A short text that identifies the packages of a Debian. */
function identity(tree: string): string {
  const status = fs.readFileSync(path.join(tree, 'var/lib/dpkg/status'))
  return crypto.createHash('sha256').update(status).digest('hex').slice(0, 16)
}

const fixtures = process.env.PIPELAYER_FIXTURES
const absent =
  fixtures === undefined ? 'the fixtures are not here: $PIPELAYER_FIXTURES names their folder' : false
t.test('contexts of the fixtures', { skip: need('root') || tooLong || absent }, async t => {
  const place = makePlace(t)
  const contexts = path.join(place.dir, 'contexts')
  const cases = fixtureCases(fixtures ?? '', contexts)
  await checkCases(t, place, { name: 'fixtures', cases })
})

t.test('every difference of the list is one', { skip: tooLong || absent }, async t => {
  const gone = known.filter(one => !used.has(one)).map(one => `${one.case} ${one.at}`)
  t.same(ONLY.includes('') ? gone : [], [], 'none is listed that is no more')
})
