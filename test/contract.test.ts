// Checks that every program of tools/* keeps the same contract; a new tool is included without a list. The field
// `pipelayer` in a tool's package.json says what it reads and writes, and names the shortest arguments and input with
// which it runs.
import fs from 'node:fs'
import Module from 'node:module'
import path from 'node:path'
import { type AnyRecord, recordError } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { type PipeResult, ROOT, runPipe, storeImage, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Workspace, workspaces } from './workspace.js'

const SECTIONS = 'NAME SYNOPSIS DESCRIPTION OPTIONS INPUT OUTPUT EXIT STATUS EXAMPLES SEE ALSO'
const NOTE = { type: 'x-note', text: 'äöü \\ "quoted"', nested: { list: [1, null] } }
const END = '{"type":"end","tool":"test","records":1,"failed":0}\n'
const tools = workspaces().filter(one => one.kind === 'tool')

for (const tool of tools) {
  t.test(tool.name, async t => {
    t.test('has its files', async t => hasFiles(t, tool))
    t.test('its man page has every section and the options of --help', async t => manPage(t, tool))
    t.test('--version', async t => {
      const { status, stdout, stderr } = await run(t, tool, { args: ['--version'] })
      t.same([status, stderr], [0, ''])
      t.equal(stdout, `${tool.name} ${tool.manifest.version}\n`)
    })
    t.test('an unknown option is 2, without waiting for stdin', async t => {
      const result = await run(t, tool, { args: ['--no-such-option'], input: 'open', timeoutMs: 20_000 })
      t.notOk(result.timedOut, 'did not wait')
      t.same([result.status, result.stdout], [2, ''])
      oneLine(t, tool, result, 'USAGE')
    })
    if (tool.manifest.pipelayer?.writes === 'records') {
      t.test('a reader that is gone is 141, silent', async t => readerGone(t, tool))
      t.test('stdout is records that fit their schemas, closed by end or error', async t =>
        onlyRecords(t, tool),
      )
    }
    if (tool.manifest.pipelayer?.reads !== 'none') {
      t.test('a broken line is 1 and names the line', async t => brokenLine(t, tool))
      t.test('a record of the wrong shape is 1', async t => wrongShape(t, tool))
      t.test('an error from above is passed on, and is 1', async t => errorAbove(t, tool))
      if (tool.manifest.pipelayer?.writes === 'records')
        t.test('an unknown record passes through', async t => passesThrough(t, tool))
    }
    if (tool.manifest.pipelayer?.reads === 'records') {
      t.test('input cut before its end is 1 and publishes nothing', async t => inputCut(t, tool))
    }
  })
}

t.test('the launcher keeps what was compiled, and runs the same without it', async t => {
  const dir = tempDir(t, 'launcher')
  const launcher = fs.readFileSync(path.join(ROOT, 'scripts/launcher.cjs'), 'utf8')
  const program = `exports.x = 1; console.log(JSON.stringify([process.argv.slice(2), __filename, typeof require('node:fs').readFileSync]))
    process.exitCode = process.argv.includes('bad') ? 3 : 0`
  const file = path.join(dir, 'cli-x.cjs')
  // The build wraps a program so.
  fs.writeFileSync(file, Module.wrap(program))
  fs.writeFileSync(path.join(dir, 'cli.cjs'), launcher.replaceAll('PROGRAM', 'cli-x.cjs'))
  const start = async (...args: string[]): Promise<[number | null, string]> => {
    const line = ['node cli.cjs', ...args].join(' ')
    const { status, stdout, stderr } = await runPipe(line, { cwd: dir })
    t.equal(stderr, '', line)
    return [status, stdout]
  }
  const kept = (): string[] => fs.readdirSync(dir).filter(name => name.includes('.code'))
  const wanted = (...args: string[]): string => `${JSON.stringify([args, file, 'function'])}\n`
  t.same([await start('bad'), kept()], [[3, wanted('bad')], []], 'of what failed nothing is kept')
  t.same([await start('--version'), kept()], [[0, wanted('--version')], []], 'nor of what did nothing')
  t.same(await start('a'), [0, wanted('a')])
  const [code = ''] = kept()
  t.match(code, process.versions.v8, 'for this V8 only')
  t.same([await start('b'), kept()], [[0, wanted('b')], [code]])
  for (const damage of ['', 'x'.repeat(5000)]) {
    fs.writeFileSync(path.join(dir, code), damage)
    t.same(await start('c'), [0, wanted('c')], 'a damaged one is not taken')
    t.not(fs.readFileSync(path.join(dir, code), 'latin1'), damage, 'and replaced')
  }
})

function hasFiles(t: Test, { dir, manifest, name }: Workspace): void {
  for (const file of ['README.md', 'src/cli.ts', 'src/index.ts', 'test'])
    t.ok(fs.existsSync(path.join(dir, file)), file)
  t.same(Object.keys(manifest.bin ?? {}), [name], 'one program, named as the folder')
  t.equal(path.basename(dir), name)
  const camel = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const source = fs.readFileSync(path.join(dir, 'src/index.ts'), 'utf8')
  t.match(
    source,
    new RegExp(`export (async )?function\\*? ${camel}\\b|export \\{[^}]*\\b${camel}\\b`),
    `exports ${camel}`,
  )
  const lines = fs.readFileSync(path.join(dir, 'src/cli.ts'), 'utf8').split('\n')
  t.ok(lines.length <= 61, `src/cli.ts has ${lines.length - 1} lines, at most 60`)
  t.notMatch(lines.join('\n'), /\bconsole\.|\btry \{|process\.exit/, 'src/cli.ts is a table and a call')
}

async function manPage(t: Test, tool: Workspace): Promise<void> {
  const page = fs.readFileSync(path.join(tool.dir, 'README.md'), 'utf8')
  const sections = [...page.matchAll(/^## ([A-Z ]+)$/gm)].map(match => match[1])
  t.equal(sections.join(' '), SECTIONS)
  const started = process.hrtime.bigint()
  const { status, stdout, stderr } = await run(t, tool, { args: ['--help'] })
  t.comment(`${tool.name} --help took ${(process.hrtime.bigint() - started) / 1_000_000n} ms`)
  t.same([status, stderr], [0, ''])
  if (/^Usage: \S+ \[options\] COMMAND\b/m.test(stdout)) {
    const commands = stdout.match(/^Commands:\n((?: {2}.*\n)+)/m)?.[1]?.match(/^ {2}\S+/gm) ?? []
    const described = page.match(/^## DESCRIPTION\n([\s\S]*?)^## /m)?.[1] ?? ''
    const rows = [...described.matchAll(/^\| `(\w+)[^|]*` \|/gm)].map(([, name]) => `  ${name}`)
    t.same(commands, rows, 'help lists the commands of the man page')
    t.not(rows.length, 0)
  }
  const shown = page.match(/^## OPTIONS\n+```\w*\n([\s\S]*?)```$/m)?.[1] ?? ''
  t.equal(
    shown.trimEnd(),
    stdout.replace(/^[\s\S]*?^Options:\n/m, '').trimEnd(),
    'node scripts/sync-help.mjs writes it',
  )
}

async function readerGone(t: Test, tool: Workspace): Promise<void> {
  // The input is long enough that output is written while it is read, not only at its end.
  const many = `${JSON.stringify(NOTE)}\n`.repeat(20_000)
  const input = tool.manifest.pipelayer?.reads === 'none' ? {} : { input: many + END }
  const before = 'exec 4> >(true); wait $!'
  const { statuses, stderr } = await run(t, tool, { into: '>&4 4>&-', before, ...input })
  t.same([statuses, stderr], [[141], ''])
}

async function onlyRecords(t: Test, tool: Workspace): Promise<void> {
  const result = await run(t, tool, {})
  const records = result.records() as AnyRecord[]
  for (const record of records) t.equal(recordError(record), undefined, record.type)
  const last = records.at(-1)
  t.match(
    last,
    result.status === 0 ? { type: 'end', tool: tool.name, records: records.length - 1 } : { type: 'error' },
  )
  t.same(
    records.slice(0, -1).filter(({ type }) => type === 'end' || type === 'error'),
    [],
    'only once',
  )
}

async function brokenLine(t: Test, tool: Workspace): Promise<void> {
  const result = await run(t, tool, { input: `${JSON.stringify(NOTE)}\n\n{"type":"x-note",\n${END}` })
  t.equal(result.status, 1)
  oneLine(t, tool, result, 'RECORD_INVALID')
  t.match(result.stderr, /line 3\b/, 'blank lines count')
  nothingPublished(t, tool, result)
}

async function wrongShape(t: Test, tool: Workspace): Promise<void> {
  const result = await run(t, tool, { input: `{"type":"layer","image":"1","digest":7}\n${END}` })
  t.equal(result.status, 1)
  oneLine(t, tool, result, 'RECORD_INVALID')
  nothingPublished(t, tool, result)
}

async function errorAbove(t: Test, tool: Workspace): Promise<void> {
  const error = { type: 'error', tool: 'first-tool', code: 'FIRST_CAUSE', message: 'it broke' }
  const input = `${JSON.stringify(NOTE)}\n${JSON.stringify(error)}\n`
  const { args = [] } = tool.manifest.pipelayer?.contract ?? {}
  for (const isVerbose of [false, true]) {
    const result = await run(t, tool, { input, args: isVerbose ? ['--verbose', ...args] : args })
    t.equal(result.status, 1)
    if (isVerbose) oneLine(t, tool, result, 'FIRST_CAUSE')
    else t.equal(result.stderr, '', 'the program that failed has said so')
    if (tool.manifest.pipelayer?.writes === 'records')
      t.same(result.records().at(-1), error, 'the first cause, as it came')
    nothingPublished(t, tool, result)
  }
}

async function passesThrough(t: Test, tool: Workspace): Promise<void> {
  const given = tool.manifest.pipelayer?.contract?.input ?? ''
  const result = await run(t, tool, { input: `${JSON.stringify(NOTE)}\n${given}${END}` })
  t.equal(result.stdout.split('\n')[0], JSON.stringify(NOTE), result.stderr)
}

async function inputCut(t: Test, tool: Workspace): Promise<void> {
  const result = await run(t, tool, { input: `${JSON.stringify(NOTE)}\n` })
  t.equal(result.status, 1)
  oneLine(t, tool, result, 'INPUT_CUT')
  if (tool.manifest.pipelayer?.writes === 'records')
    t.match(result.records().at(-1), { type: 'error', code: 'INPUT_CUT' })
  nothingPublished(t, tool, result)
}

interface RunOptions {
  readonly args?: readonly string[]
  readonly input?: string
  readonly timeoutMs?: number
  readonly before?: string
  readonly into?: string
}

interface ToolResult extends PipeResult {
  readonly tmp: string
}

/**
 * Runs a tool with the arguments of its contract; `{tmp}` in them is a folder of this run, which also holds its store. The
 * store has the image that the contract names.
 */
async function run(t: Test, tool: Workspace, options: RunOptions): Promise<ToolResult> {
  const tmp = tempDir(t, tool.name)
  const { reads, contract } = tool.manifest.pipelayer ?? {}
  const { args = [], input = '', image } = contract ?? {}
  if (image !== undefined) storeImage(Store.open(path.join(tmp, 'store')), { name: image })
  const words = (options.args ?? args).map(word => `'${word.replaceAll('{tmp}', tmp)}'`)
  const program = path.join(ROOT, 'bin', tool.name)
  const result = await runPipe(
    `${options.before ?? ':'}\n${program} ${words.join(' ')} ${options.into ?? ''}`,
    {
      cwd: tmp,
      env: { PIPELAYER_STORE: path.join(tmp, 'store') },
      input: options.input ?? (reads === 'none' ? input : input + END),
      timeoutMs: options.timeoutMs ?? 60_000,
    },
  )
  return { ...result, tmp }
}

function oneLine(t: Test, tool: Workspace, { stderr }: PipeResult, code: string): void {
  const lines = stderr.split('\n').slice(0, -1)
  t.equal(lines.length, 1, `one line on stderr: ${stderr}`)
  t.match(lines[0], new RegExp(`^${tool.name}: .* \\[${code}\\]$`))
}

/** By convention, the arguments of the contract publish to `{tmp}/out`. */
function nothingPublished(t: Test, tool: Workspace, { tmp }: ToolResult): void {
  t.notOk(
    fs.existsSync(path.join(tmp, 'out')) && isPublished(path.join(tmp, 'out')),
    `${tool.name} published nothing`,
  )
  t.notOk(isPublished(path.join(tmp, 'store')), 'nor in the store')
}

/** A layout is published when its index names something; any other folder when it has entries. */
function isPublished(dir: string): boolean {
  if (!fs.existsSync(dir)) return false
  const index = path.join(dir, 'index.json')
  if (fs.existsSync(index)) return JSON.parse(fs.readFileSync(index, 'utf8')).manifests.length > 0
  return (
    !fs.existsSync(path.join(dir, 'oci-layout')) &&
    !fs.existsSync(path.join(dir, 'blobs')) &&
    fs.readdirSync(dir).length > 0
  )
}
