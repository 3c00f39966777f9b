// Inputs that have broken other builders: each line of the checklist of bad inputs, named by its advisory or by its
// words, is given to kf-parse and kf-run. A bad input is refused, with one line that says why, or does no harm.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { mountTable, need, type Scope } from '@pipelayer/testkit'
import t from 'tap'
import { BUILDS, type BuildRow } from './checklist/builds.js'
import { type Lab, lab } from './lab.js'

/** A busybox under the names of all programs that the rows call. */
const BASE = [
  'FROM scratch',
  'COPY sh /bin/busybox',
  'RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin"]',
]

type Test = Scope & Pick<typeof t, 'equal' | 'same' | 'match' | 'notOk'>

t.test('builds', { skip: need('root', 'busybox') }, async t => {
  const mounts = mountTable()
  for (const row of BUILDS) await t.test(row.why, async t => check(t, row))
  t.same(mountTable(), mounts, 'no mount is left')
})

t.test('files that are no ordinary Dockerfile', { skip: need('root', 'busybox') }, async t => {
  const place = lab(t)
  const text = 'FROM scratch\nRUN true\n'
  place.write({
    good: text,
    bom: `\ufeff${text}`,
    big: `FROM scratch\nCOPY <<E /x\n${`${'a'.repeat(99)}\n`.repeat(1_000_000)}E\n`,
  })
  fs.symlinkSync('good', place.path('link'))
  for (const [name, why] of [
    ['link', 'a symlink that the user names is followed'],
    ['bom', 'a byte-order mark is no text'],
  ] as const) {
    const { stdout } = await place.good(`kf-parse ${name}`)
    t.match(stdout, /"name":"FROM","form":"words","args":\["scratch"\]/, why)
  }
  const { stdout } = await place.good('kf-parse - < big | kf-run')
  const { upper } = JSON.parse(stdout.split('\n')[0] ?? '')
  t.equal(fs.statSync(path.join(upper, 'x')).size, 100_000_000, 'a heredoc of 100 MB')
  const lost = await place.run('kf-parse big | kf-run --store other')
  t.match(
    lost.stderr,
    /^kf-run: big:2-1000003: .* is not in the store.* \[HEREDOC_MISSING\]$/m,
    'one that is lost',
  )
  const long = 'RUN <<E\n#!/bin/sh\n'.padEnd(200_000, '# x\n')
  place.write({ script: [...BASE, `${long}\necho > /done\nE\n`].join('\n') })
  place.write({ plain: [...BASE, `${long.replace('#!', '# ')}\nE\n`].join('\n') })
  place.write({ 'context/': '' })
  fs.copyFileSync('/bin/busybox', place.path('context/sh'))
  await place.good('kf-parse script | kf-run -c context')
  const refused = await place.run('kf-parse plain | kf-run -c context')
  t.match(refused.stderr, /^kf-run: plain:4-.* \[ARGUMENT_TOO_LONG\]$/m, 'longer than an argument may be')
})

t.test('ignore files that are no ordinary files', { skip: need('root', 'busybox') }, async t => {
  // Docker 28.5.2 gives the same errors, except for the last two rows.
  const rows: readonly [make: (file: string) => void, want: readonly string[] | RegExp, why: string][] = [
    [file => fs.mkdirSync(file), ['.dockerignore', 'D', 'a', 'b'], 'a directory is none'],
    [file => fs.writeFileSync(file, 'a\r\n\r\nD\r\n'), ['.dockerignore', 'b'], 'lines that end in CRLF'],
    [file => fs.writeFileSync(file, '\ufeffa\nD\n'), ['.dockerignore', 'b'], 'a byte-order mark'],
    [file => fs.writeFileSync(file, '*\n!a\n!.d*\n'), ['.dockerignore', 'a'], 'negations'],
    [file => fs.writeFileSync(file, '*\n!a\na\n'), [], 'negations that are taken back'],
    [
      file => fs.writeFileSync(file, 'a\n!../canary\n!/../../b\n'),
      ['.dockerignore', 'D', 'b'],
      'none leads out',
    ],
    [
      file => fs.writeFileSync(file, Buffer.from('a\xe9\nb\nD\n', 'latin1')),
      ['.dockerignore', 'a'],
      'other bytes',
    ],
    [file => fs.writeFileSync(file, 'a[\n'), /\[PATTERN_INVALID\]/, 'a pattern that is none'],
    [file => fs.writeFileSync(file, 'a\0b\nb\nD\n'), ['.dockerignore', 'a'], 'a NUL byte, which no name has'],
    [file => fs.truncateSync(touched(file), 17 << 20), /17825792 bytes.*\[FILE_TOO_LARGE\]/, 'a huge one'],
  ]
  for (const [make, want, why] of rows) {
    const place = lab(t)
    place.write({ 'context/D': 'FROM scratch\nCOPY . /x/\n', 'context/a': 'a', 'context/b': 'b' })
    make(place.path('context/.dockerignore'))
    const { statuses, stdout, stderr } = await place.run('kf-parse context/D | kf-run --context context')
    if (want instanceof RegExp) t.match([statuses[1], stderr], [1, want], why)
    else {
      const { upper } = JSON.parse(stdout.split('\n')[0] ?? '')
      t.same(fs.readdirSync(path.join(upper, 'x')).sort(), want, `${why} ${stderr}`)
    }
  }
})

t.test('Dockerfiles that are refused, and where', async t => {
  const place = lab(t)
  const rows: readonly [text: string, line: RegExp | undefined, why: string][] = [
    ['FROM scratch\r\nRUN <<E\r\nx\r\nE\r\n', undefined, 'CRLF'],
    ['FROM scratch\nCOPY <<E /x\na\0b\nE\n', undefined, 'a NUL byte in a heredoc'],
    ['FROM scratch\nRUN a\0b\n', /^kf-parse: D:2:6: a NUL byte.*\[DOCKERFILE_INVALID\]$/m, 'a NUL byte'],
    [
      `FROM scratch\nRUN ${'x'.repeat(65_532)}\n`,
      /^kf-parse: D:2:1: a line has more than 65535 bytes/m,
      'a huge line',
    ],
    [
      `FROM scratch\nCOPY <<E /x\n${'x'.repeat(65_536)}\nE\n`,
      /^kf-parse: D:3:1: a line has more/m,
      'of a heredoc',
    ],
    [
      'FROM scratch\nCOPY <<E /x\nE \n',
      /^kf-parse: D:2:6: the heredoc "E" is not closed/m,
      'an open heredoc',
    ],
    ['\ufeff\ufeffFROM scratch\n', /^kf-parse: D:1:1: unknown instruction/m, 'two byte-order marks'],
  ]
  for (const [text, line, why] of rows) {
    place.write({ D: text })
    const { statuses, stderr } = await place.run('kf-parse D')
    if (line === undefined) t.same(statuses, [0], `${why} ${stderr}`)
    else t.match([statuses[0], stderr], [1, line], why)
  }
  place.write({ 'context/a': 'a', outside: 'FROM scratch\nCOPY a /\n' })
  fs.symlinkSync('../outside', place.path('context/Dockerfile'))
  await place.good('kf-parse context/Dockerfile | kf-run --context context')
  fs.unlinkSync(place.path('context/Dockerfile'))
  fs.symlinkSync('Dockerfile', place.path('context/Dockerfile'))
  const loop = await place.run('kf-parse context/Dockerfile')
  t.match([loop.statuses[0], loop.stderr], [1, /^kf-parse: cannot read .*\[ELOOP\]$/m], 'a symlink to itself')
})

/** An empty file. */
function touched(file: string): string {
  fs.writeFileSync(file, '')
  return file
}

async function check(t: Test, row: BuildRow): Promise<void> {
  const place = lab(t, row.env)
  const canary = place.path('canary')
  const named = (text: string): string => text.replaceAll('CANARY', canary)
  place.write({ 'canary/file': 'canary', 'canary/passwd': 'canary:x:7:7::/:/bin/sh\n', 'canary/dir/': '' })
  prepare(place, Object.entries(row.files ?? {}), named)
  fs.writeFileSync(place.path('Dockerfile'), [...BASE, named(row.steps), ''].join('\n'))
  const before = look(canary)
  const { statuses, stdout, stderr } = await place.run(
    `kf-parse Dockerfile | kf-run --context context ${row.options ?? ''} | ovl-diff | layer-pack --compress none`,
  )
  t.equal(look(canary), before, `nothing outside has changed: ${stderr}`)
  if (row.code === undefined) t.same(statuses, [0, 0, 0, 0], stderr)
  else t.match(stderr, new RegExp(`^[a-z-]+: .*\\[${row.code}\\]$`, 'm'))
  if (row.secret !== undefined) {
    t.notOk(`${stdout}${stderr}`.includes(row.secret), 'in no record and no line')
    t.equal(
      spawnSync('grep', ['-rlaF', row.secret, place.store], { encoding: 'utf8' }).stdout,
      '',
      'in no file',
    )
  }
}

function prepare(place: Lab, files: readonly [string, string][], named: (text: string) => string): void {
  place.write({ 'context/': '' })
  fs.copyFileSync('/bin/busybox', place.path('context/sh'))
  for (const [name, content] of files) {
    const file = place.path('context', name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (content.startsWith('->')) fs.symlinkSync(named(content.slice(2)), file)
    else fs.writeFileSync(file, content)
  }
}

/** Names, types, modes, sizes, times and contents of a folder. */
function look(dir: string): string {
  const found = spawnSync('find', [dir, '-printf', '%P %y %m %U %s %T@\\n'], { encoding: 'utf8' }).stdout
  return `${found.split('\n').sort().join('\n')}${fs.readFileSync(path.join(dir, 'file'), 'utf8')}`
}
