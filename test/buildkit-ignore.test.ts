// Ignore files made at random, on one tree: our pipe copies the same files of it as a Docker engine's BuildKit. What
// the engine copies is recorded (scripts/refresh-buildkit). All rows go through the matcher; some, or all with
// scripts/test --all, through the pipe.
import fs from 'node:fs'
import path from 'node:path'
import { ignoreMatcher, parseIgnore } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { need, ROOT, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { buildFiles, engineVersion } from './buildkit/engine.js'
import { ignoreText, makeIgnoreTree, TREE } from './buildkit/ignore-cases.js'
import {
  type Builder,
  type IgnoreRow,
  readIgnoreGolden,
  rowOf,
  type Taken,
  takenOf,
  writeIgnoreGolden,
} from './buildkit/ignore-golden.js'
import { buildOurs } from './buildkit/ours.js'

const FOLDER = path.join(ROOT, 'test/buildkit')
const ONLY = (process.env.PIPELAYER_BUILDKIT_ONLY ?? '').split(',')
/** Is set by scripts/refresh-buildkit: record the results of the engine, which takes minutes. */
const REFRESH =
  process.env.PIPELAYER_BUILDKIT_REFRESH === '1' && ONLY.some(part => 'dockerignore'.includes(part))
const ALL = process.env.PIPELAYER_TEST_ALL === '1'
/** How many seeds are used, from 0 on. Another number of rows, or another generator, needs new golden data. */
const ROWS = 2000
/** How many ignore files one build covers. Each makes a layer, and an overlay of the engine has at most some 120. */
const BATCH = 100
const THROUGH_THE_PIPE = 200

const texts = Array.from({ length: ROWS }, (_, seed) => ignoreText(seed))

/**
 * The files that a builder copies under each ignore file. Those that we refuse are built one by one, the others
 * together.
 */
async function rowsOf(dir: string, texts: readonly string[], build: Builder): Promise<IgnoreRow[]> {
  const rows = new Map<string, IgnoreRow>()
  const refused = texts.filter(text => takenByMatcher(text) === undefined)
  const others = texts.filter(text => takenByMatcher(text) !== undefined)
  for (const text of refused) await addRows(rows, dir, [text], build)
  for (let at = 0; at < others.length; at += BATCH)
    await addRows(rows, dir, others.slice(at, at + BATCH), build)
  return texts.map(text => rows.get(text) ?? [text, false])
}

async function addRows(
  rows: Map<string, IgnoreRow>,
  ...[dir, texts, build]: readonly [string, readonly string[], Builder]
): Promise<void> {
  const dirs = texts.map((_, index) => path.join(dir, `context-${index}`))
  for (const [index, text] of texts.entries()) {
    const context = dirs[index] ?? ''
    if (!fs.existsSync(context)) makeIgnoreTree(context)
    fs.writeFileSync(path.join(context, '.dockerignore'), text)
  }
  const taken = await takenOf(dirs, dir, build)
  for (const [index, text] of texts.entries()) rows.set(text, rowOf(text, taken[index]))
}

if (REFRESH) {
  t.setTimeout(0)
  const dir = tempDir(t, 'ignore-engine')
  const rows = await rowsOf(dir, texts, async one => buildFiles(one, path.join(dir, 'files.tar')))
  writeIgnoreGolden(FOLDER, { engine: engineVersion(), rows })
}

const { rows: golden } = readIgnoreGolden(FOLDER)

/** The rows that differ, one a line. */
function unequal(ours: readonly IgnoreRow[]): string[] {
  return ours.flatMap((row, index) => {
    const theirs = golden[index]
    return JSON.stringify(row) === JSON.stringify(theirs)
      ? []
      : [`ours ${JSON.stringify(row)}, theirs ${JSON.stringify(theirs)}`]
  })
}

t.test('the ignore files are those that the engine was asked about', async t => {
  t.same(
    golden.map(([text]) => text),
    texts,
  )
})

t.test('every ignore file takes and leaves what it does for the engine', async t => {
  const ours = texts.map(text => rowOf(text, takenByMatcher(text)))
  t.same(unequal(ours), [])
})

function takenByMatcher(text: string): Taken | undefined {
  try {
    const { ignores, empties } = ignoreMatcher(parseIgnore(text))
    const plain = (name: string): string => name.replace(/\/$/, '')
    const kept = TREE.filter(name => !ignores(plain(name)))
    // An excluded directory exists if something in it is not excluded.
    const names = TREE.filter(name =>
      kept.some(one => one.startsWith(name.endsWith('/') ? name : `${name}\n`) || one === name),
    )
    return { names, empty: kept.filter(name => !name.endsWith('/') && empties(name)) }
  } catch (error) {
    if (error instanceof ToolError && error.code === 'PATTERN_INVALID') return undefined
    throw error
  }
}

t.test('so it is in a build', { skip: need('root') }, async t => {
  const dir = tempDir(t, 'ignore')
  const chosen = ALL ? texts : texts.slice(0, THROUGH_THE_PIPE)
  const ours = await rowsOf(dir, chosen, one => buildOurs(one, path.join(dir, 'store')))
  t.same(unequal(ours), [])
})
