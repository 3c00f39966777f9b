// kf-lint on files and on records, the forms of its output, and the pages of the rules, whose examples are linted.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import { parseKubefile } from '@pipelayer/kubefile'
import { type ContextFile, lint, parseCheckOptions, RULE_NAMES } from '@pipelayer/lint'
import { type AnyRecord, collect, recordError } from '@pipelayer/records'
import t from 'tap'
import { isBad } from '../src/findings.js'
import { textForm } from '../src/forms.js'
import { type KfLintOptions, kfLint } from '../src/index.js'

const NOTHING = { stdin: Readable.from([]) }

function instructions(text: string, file = 'Dockerfile'): AnyRecord[] {
  return fileFields(parseDockerfile(text), file).map((fields, index) => ({
    type: 'instruction',
    stage: 0,
    index,
    ...fields,
  }))
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

function shown(records: readonly AnyRecord[]): string[] {
  return records.map(({ type, rule, file, line }) => (type === 'finding' ? `${file}:${line} ${rule}` : type))
}

t.test('records', async t => {
  const one = instructions('# check=skip=JSONArgsRecommended\nFROM a:1\nMAINTAINER x\nCMD y', 'one')
  const two = instructions('FROM a\nCMD y', 'two')
  const rows: readonly { records: readonly AnyRecord[]; want: readonly string[]; why: string }[] = [
    { records: [], want: [], why: 'an empty stream' },
    {
      records: [{ type: 'x' }, ...one, { type: 'y' }],
      want: ['x', 'y', 'one:3 MaintainerDeprecated'],
      why: 'others pass',
    },
    {
      records: [...one, ...two],
      want: ['one:3 MaintainerDeprecated', 'two:1 PinnedBaseImage', 'two:2 JSONArgsRecommended'],
      why: 'two files, each with its own directive',
    },
  ]
  for (const { records, want, why } of rows) {
    const out = await collect(kfLint(each(records), NOTHING))
    t.same(shown(out), want, why)
    for (const record of out) t.equal(recordError(record), undefined, 'fits its schema')
  }
  const wrong = [...instructions('FROM $a', 'one'), ...two]
  const out: AnyRecord[] = []
  await t.rejects(
    async () => {
      for await (const record of kfLint(each(wrong), NOTHING)) out.push(record)
    },
    { code: 'DOCKERFILE_INVALID' },
  )
  t.match(
    shown(out),
    ['one:1 UndefinedArgInFrom', 'one:1 InvalidDefaultArgInFrom', 'two:1 PinnedBaseImage']
      .sort()
      .concat('two:2 JSONArgsRecommended'),
    'the error waits for the other files',
  )
})

t.test('files and options', async t => {
  const dir = t.testdir({
    Dockerfile: 'FROM scratch\nCOPY x y/z /\nARG a\nCOPY $a /',
    '.dockerignore': 'x\n',
    Own: 'FROM scratch\nCOPY x y/z /',
    'Own.dockerignore': 'y',
    Kubefile: 'FROM kubernetes\nCMD kubectl apply',
    context: { '.dockerignore': '' },
  })
  const rows: readonly {
    file: string
    options?: Partial<KfLintOptions>
    want: readonly string[]
    why: string
  }[] = [
    { file: 'Dockerfile', want: ['2 CopyIgnoredFile'], why: '.dockerignore beside the file' },
    { file: 'Own', want: ['2 CopyIgnoredFile'], why: 'an ignore file of its own' },
    { file: 'Dockerfile', options: { context: path.join(dir, 'context') }, want: [], why: 'another context' },
    { file: 'Dockerfile', options: { skip: ['a,all'] }, want: [], why: 'all rules left out' },
    {
      file: 'Dockerfile',
      options: { skip: ['UndefinedVar, CopyIgnoredFile'] },
      want: [],
      why: 'some left out',
    },
    {
      file: 'Dockerfile',
      options: { buildArgs: ['a=x', 'b'], env: { b: '1' } },
      want: ['2 CopyIgnoredFile', '4 CopyIgnoredFile'],
      why: 'build arguments',
    },
    {
      file: 'Dockerfile',
      options: { buildArgs: ['a'], env: { a: 'x' } },
      want: ['2 CopyIgnoredFile', '4 CopyIgnoredFile'],
      why: 'from the environment',
    },
    { file: 'Kubefile', want: ['1 PinnedBaseImage'], why: 'a Kubefile by its name' },
    {
      file: 'Kubefile',
      options: { dialect: 'dockerfile' },
      want: ['1 PinnedBaseImage', '2 JSONArgsRecommended'],
      why: 'or not',
    },
  ]
  for (const { file, options, want, why } of rows) {
    const out = await collect(
      kfLint(each([]), { ...NOTHING, file: path.join(dir, file), fileName: file, ...options }),
    )
    t.same(
      out.map(({ line, rule }) => `${line} ${rule}`),
      want,
      why,
    )
  }
  const stdin = Readable.from([Buffer.from('FROM scratch\nCMD a')])
  t.same(shown(await collect(kfLint(each([]), { stdin, file: '-' }))), ['-:2 JSONArgsRecommended'], 'stdin')
  const errors: readonly (readonly [Partial<KfLintOptions>, object])[] = [
    [{ skip: ['Nothing'] }, { code: 'USAGE', status: 2, message: /"Nothing"/ }],
    [{ file: path.join(dir, 'none') }, { code: 'ENOENT' }],
    [{ file: dir }, { code: 'EISDIR' }],
  ]
  for (const [options, error] of errors) {
    const thrown: unknown = await collect(kfLint(each([]), { ...NOTHING, ...options })).catch(
      reason => reason,
    )
    t.match(thrown, error)
  }
})

t.test('severity and status', async t => {
  const rows: readonly (readonly [severity: string, from: string, bad: boolean])[] = [
    ['error', 'error', true],
    ['warning', 'error', false],
    ['warning', 'warning', true],
    ['info', 'warning', false],
    ['info', 'info', true],
    ['error', 'never', false],
  ]
  for (const [severity, from, bad] of rows) t.equal(isBad({ type: 'finding', severity }, from), bad)
  t.equal(isBad({ type: 'x', severity: 'error' }, 'info'), false)
})

t.test('forms', async t => {
  const finding = {
    type: 'finding',
    rule: 'WorkdirOverCd',
    severity: 'info',
    message: 'a\x1b[1m',
    file: 'x y/#1',
    line: 2,
    endLine: 3,
  }
  const end = { type: 'end', tool: 'kf-lint', records: 1, failed: 0 }
  const error = { type: 'error', tool: 'kf-lint', code: 'DOCKERFILE_INVALID', message: 'no' }
  const text = textForm('text')
  t.equal(textForm('records'), undefined)
  t.equal(text?.end(end), 'no findings\n')
  t.equal(text?.record({ type: 'other' }), '')
  t.equal(text?.record(finding), 'x y/#1:2: info: a\\x1b[1m [WorkdirOverCd]\n', 'no control character')
  t.equal(text?.end(end), '1 info\n')
  t.equal(text?.end(error), '', 'the error stands on stderr')
  const sarif = textForm('sarif')
  t.equal(sarif?.record(finding), '')
  sarif?.record({ ...finding, rule: 'Other', file: '/a/b', line: undefined })
  const log = JSON.parse(sarif?.end(error) ?? '')
  t.match(log, { version: '2.1.0', $schema: /sarif-schema-2\.1\.0\.json$/ })
  const [run] = log.runs
  t.same(
    run.tool.driver.rules.map((rule: { id: string }) => rule.id),
    RULE_NAMES,
  )
  t.match(run.invocations, [
    {
      executionSuccessful: false,
      toolExecutionNotifications: [{ message: { text: 'no [DOCKERFILE_INVALID]' } }],
    },
  ])
  t.match(run.results[0], {
    ruleId: 'WorkdirOverCd',
    ruleIndex: RULE_NAMES.indexOf('WorkdirOverCd'),
    level: 'note',
    locations: [
      { physicalLocation: { artifactLocation: { uri: 'x%20y/%231' }, region: { startLine: 2, endLine: 3 } } },
    ],
  })
  const github = textForm('github')
  t.equal(
    github?.record({ ...finding, message: '100%\n', file: 'a:b,c' }),
    '::notice file=a%3Ab%2Cc,line=2,endLine=3,title=WorkdirOverCd::100%25%0A\n',
    'nothing ends the command early',
  )
  t.equal(
    github?.record({ ...finding, severity: 'error', line: undefined, message: 'x', rule: 'R' }),
    '::error file=x y/#1,title=R::x\n',
  )
  t.equal(github?.end(end), '')
  const json = textForm('json')
  t.equal(json?.record(finding), '')
  t.same(JSON.parse(json?.end(end) ?? ''), [finding])
  t.same(run.results[1].locations, [{ physicalLocation: { artifactLocation: { uri: 'file:///a/b' } } }])
})

/** The files of the examples. */
function pluginFiles(source: string): readonly ContextFile[] {
  const type = source === 'nope.yaml' ? 'NOPE' : 'SHELL'
  return [{ name: source, text: `kind: Plugin\nspec: {type: ${type}, action: PostInstall}\n` }]
}

t.test('plugins beside a Kubefile', async t => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'plugins-'))
  t.teardown(() => fs.rmSync(dir, { recursive: true }))
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
    fs.writeFileSync(path.join(dir, name), text)
  }
  write('a.yaml', 'kind: Plugin\nspec:\n  type: NOPE\n  action: PostInstall\n')
  write('plugins/b.yaml', 'kind: Plugin\nspec: {type: SHELL, action: Later}\n')
  write('plugins/c.txt', 'kind: Plugin\n')
  write('plugins/good.yaml', 'kind: Plugin\nspec: {type: SHELL, action: pre-init-host}\n')
  fs.symlinkSync('/etc/passwd', path.join(dir, 'plugins/link.yaml'))
  const linted = async (text: string, options: Partial<KfLintOptions> = {}): Promise<readonly string[]> => {
    write('Kubefile', `FROM kubernetes:v1.22.15\n${text}\n`)
    const stdin = Readable.from([])
    const file = path.join(dir, 'Kubefile')
    const found = await collect(kfLint(each([]), { file, stdin, dialect: 'kubefile-classic', ...options }))
    return found
      .filter(one => String(one.rule).startsWith('Plugin'))
      .map(one => `${one.line} ${one.rule} ${String(one.message).replace(/: expected.*/, '')}`)
  }
  const b = 'PluginInvalid plugins/b.yaml:2: a plugin has the unknown action "Later"'
  const rows: readonly (readonly [text: string, want: readonly string[], why: string])[] = [
    ['COPY a.yaml plugins', ['2 PluginInvalid a.yaml:3: a plugin has the unknown type "NOPE"'], 'a file'],
    ['COPY plugins/* plugins/', [`2 ${b}`], 'a pattern'],
    ['COPY plugins/*.yaml plugins/', [`2 ${b}`], 'a pattern with an end'],
    ['COPY plugins .', [`2 ${b}`], 'a folder of that name'],
    ['COPY . .', [`2 ${b}`], 'the whole context'],
    ['COPY a.yaml etc', [], 'another folder'],
    ['COPY none.yaml plugins', [], 'a file that is missing'],
    [
      'COPY a.yaml plugin',
      ['2 PluginFolder sealer reads plugins from plugins/, not from plugin/: a.yaml'],
      'plugin/',
    ],
    ['COPY ../../../etc/*.yaml plugins', [], 'nothing outside of the context'],
  ]
  for (const [text, want, why] of rows) t.same(await linted(text), want, why)
  t.same(await linted('COPY a.yaml plugins', { context: path.join(dir, 'plugins') }), [], 'another context')
})

t.test('every rule has a page, and its examples are what it says', async t => {
  t.same(fs.readdirSync('rules').sort(), RULE_NAMES.map(name => `${name}.md`).sort())
  const check = parseCheckOptions('experimental=all')
  for (const name of RULE_NAMES) {
    const page = fs.readFileSync(`rules/${name}.md`, 'utf8')
    const sections = [...page.matchAll(/^#+ (.*)$/gm)]
      .map(match => match[1])
      .filter(title => !title?.startsWith(' '))
    const examples = [...page.matchAll(/## (Bad|Good)\n\n```dockerfile\n([\s\S]*?)```/g)]
    t.match(
      sections.filter(title => title === name || /^(Why|Bad|Good)$/.test(title ?? '')),
      [name, 'Why', 'Bad', 'Good'],
      name,
    )
    t.equal(examples.length, 2, name)
    for (const [, kind, example = ''] of examples) {
      const text = /^(FROM|ARG \w+.*\nFROM)/im.test(example) ? example : `FROM debian:12\n${example}`
      const list = name.startsWith('Plugin')
        ? parseKubefile(Buffer.from(text), { file: name, dialect: 'kubefile-classic' })
        : fileFields(parseDockerfile(text), name)
      const { findings, error } = lint(list, { check, ignore: ['*.log'], files: pluginFiles })
      t.equal(
        findings.some(({ rule }) => rule === name),
        kind === 'Bad',
        `${name}: ${kind}`,
      )
      if (kind === 'Good') t.equal(error, undefined, name)
    }
  }
  const { status } = spawnSync(process.execPath, ['scripts/sync-rules.mjs', '--check'])
  t.equal(status, 0, 'the table in README.md is up to date: node scripts/sync-rules.mjs writes it')
})

t.test('the pages on hadolint and on practices name rules that exist', async t => {
  for (const page of ['hadolint.md', 'practices.md']) {
    const rows = fs
      .readFileSync(page, 'utf8')
      .split('\n')
      .filter(line => line.startsWith('| '))
      .slice(1)
    t.ok(rows.length > 20, page)
    for (const row of rows) {
      const [, , here = ''] = row.split(/(?<!\\)\|/)
      const named = here.match(/\b[A-Z][A-Za-z]*[a-z][A-Z][A-Za-z]*\b/g) ?? []
      t.same(
        named.filter(name => !RULE_NAMES.some(rule => rule === name) && name !== 'README'),
        [],
        row,
      )
      t.ok(named.length > 0 || /^ (none: |the build)/.test(here), row)
    }
  }
})

t.test('what the page on hadolint leaves to the build, the build refuses', async t => {
  for (const text of [
    'FROM scratch\nEXPOSE 80000',
    'FROM scratch\nONBUILD FROM scratch',
    'FROM scratch\nONBUILD MAINTAINER a',
    'RUN a\nFROM scratch',
  ]) {
    const { error } = (() => {
      try {
        return lint(fileFields(parseDockerfile(text), 'F'))
      } catch (error) {
        return { error }
      }
    })()
    t.ok(error, text)
  }
})

t.test('--fix', async t => {
  const dir = t.testdir({
    Dockerfile: 'FROM a:1 as b\nCMD a && b',
    Kubefile: 'FROM kubernetes:1\nCMD kubectl apply',
    link: t.fixture('symlink', 'Dockerfile'),
  })
  const file = path.join(dir, 'link')
  fs.chmodSync(path.join(dir, 'Dockerfile'), 0o640)
  const left = await collect(kfLint(each([]), { ...NOTHING, file, fileName: 'F', fix: true }))
  t.same(shown(left), ['F:2 JSONArgsRecommended'], 'what is left is told')
  t.equal(fs.readFileSync(path.join(dir, 'Dockerfile'), 'utf8'), 'FROM a:1 AS b\nCMD a && b')
  t.equal(fs.statSync(path.join(dir, 'Dockerfile')).mode & 0o777, 0o640)
  t.ok(fs.lstatSync(file).isSymbolicLink(), 'a link stays')
  for (const wrong of [undefined, '-', path.join(dir, 'Kubefile')])
    await t.rejects(collect(kfLint(each([]), { ...NOTHING, file: wrong, fix: true })), {
      code: 'USAGE',
      status: 2,
    })
})
