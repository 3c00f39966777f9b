// Charts and lists that are broken, too large, or made to take long.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'
import t from 'tap'
import { guessedImages, imageListImages, scan, textImages } from '../src/index.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bad-charts-'))
t.teardown(() => fs.rmSync(root, { recursive: true }))

function tree(name: string, files: Readonly<Record<string, string | Buffer>>): string {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name, file)), { recursive: true })
    fs.writeFileSync(path.join(root, name, file), text)
  }
  return path.join(root, name)
}

function archive(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const content = Buffer.from(text)
    const fields = {
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: { seconds: 0, nanoseconds: 0 },
      linkname: '',
      devmajor: 0,
      devminor: 0,
    }
    const header = encodeHeader({ ...fields, name, type: 'file', size: content.length, xattrs: new Map() })
    return [header, content, padding(content.length)]
  })
  return gzipSync(Buffer.concat([...parts, END_BLOCKS]))
}

async function said(dir: string): Promise<readonly string[]> {
  const lines: string[] = []
  for await (const found of scan(dir)) {
    if (found.type === 'image') lines.push(found.image.reference)
    if (found.type === 'failure') lines.push(`failure ${found.error.message} [${found.error.code}]`)
    if (found.type === 'warning') lines.push(`warning ${found.message} [${found.code}]`)
  }
  return lines.map(line => line.replaceAll(root, ''))
}

/** The time of this process alone: other programs may need the machine as well. */
function millisecondsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}

t.test('charts in archives', async t => {
  const sub = archive({ 'sub/Chart.yaml': 'name: sub\n', 'sub/values.yaml': 'image: a/sub:1\n' })
  const top = {
    'Chart.yaml': 'name: top\ndependencies: [{name: sub}]\n',
    'values.yaml': 'sub: {image: a/given:1}\n',
  }
  t.same(
    await said(tree('folder', { ...top, 'charts/sub-1.0.0.tgz': sub })),
    ['a/given:1'],
    'an archive in charts/',
  )
  const packed = archive({ 'top/Chart.yaml': top['Chart.yaml'], 'top/charts/sub-1.0.0.tgz': sub })
  t.same(await said(tree('packed', { 'charts/top.tgz': packed })), ['a/sub:1'], 'one in another')
  let nested = sub
  for (let level = 0; level < 8; level++)
    nested = archive({ 'n/Chart.yaml': `name: n${level}\n`, 'n/charts/n.tgz': nested })
  t.same(await said(tree('nested', { 'charts/n.tgz': nested })), [], 'no deeper than five')
  t.match(
    await said(tree('broken', { ...top, 'charts/sub-1.0.0.tgz': 'no archive' })),
    [/^failure \/broken\/charts\/sub-1\.0\.0\.tgz: .*\[CHART_INVALID]$/],
    'no archive',
  )
})

t.test('sizes', async t => {
  const large = tree('large', { 'Chart.yaml': 'name: large\n', 'values.yaml': '' })
  fs.truncateSync(path.join(large, 'values.yaml'), 100 * 1024 * 1024)
  t.same(
    await said(large),
    ['failure cannot read "/large/values.yaml": it has more than 16777216 bytes [FILE_TOO_LARGE]'],
    'values of 100 MB',
  )
  const packed = archive({ 'l/Chart.yaml': 'name: l\n', 'l/values.yaml': Buffer.alloc(20 * 1024 * 1024, 32) })
  t.same(
    await said(tree('large-packed', { 'charts/l.tgz': packed })),
    ['failure /large-packed/charts/l.tgz: values.yaml has more than 16777216 bytes [CHART_INVALID]'],
    'in an archive',
  )
  const deep = Object.fromEntries(
    Array.from({ length: 12 }, (_, n) => [
      `${'charts/a/'.repeat(n)}Chart.yaml`,
      'name: a\ndependencies: [{name: a}]\n',
    ]),
  )
  t.match(await said(tree('deep', deep)), [
    /^failure \/deep\/.*: more than 10 levels or 200 charts \[CHART_INVALID]$/,
  ])
})

t.test('dependencies', async t => {
  const cycle = {
    'Chart.yaml': 'name: a\ndependencies:\n- {name: b}\n- {name: c, condition: c.enabled}\n',
    'charts/b/Chart.yaml': 'name: b\ndependencies:\n- {name: a}\n',
  }
  t.match(
    await said(tree('cycle', cycle)),
    [
      /^warning \/cycle\/charts\/b\/Chart\.yaml:3: a, on which the chart b depends, is not in its charts\//,
      /^warning \/cycle\/Chart\.yaml:4: c, on which the chart a depends, /,
    ],
    'charts that depend on each other',
  )
  const fromHelm = path.join(root, 'helm')
  fs.writeFileSync(fromHelm, '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  const lines: string[] = []
  for await (const found of scan(path.join(root, 'cycle'), { helm: fromHelm })) lines.push(found.type)
  t.same(lines, ['warning', 'warning'], 'helm is not asked about a chart that it would refuse')
})

t.test('templates', async t => {
  const files = { 'Chart.yaml': 'name: a\n', 'values.yaml': 'image: a/b:1\n' }
  const rows: readonly (readonly [
    templates: Readonly<Record<string, string>>,
    want: readonly RegExp[],
    why: string,
  ])[] = [
    [
      { 'a.yaml': 'image: a/c:1\nx: {{ .Values' },
      [
        /^warning .*a\.yaml:2: an action does not end: its image lines are read one by one \[TEMPLATE_INVALID]$/,
        /^a\/b:1$/,
        /^a\/c:1$/,
      ],
      'a template that ends in the middle of an action',
    ],
    [
      { '_h.tpl': '{{ define "a" }}', 'a.yaml': 'image: {{ include "a" . }}\nb: {image: a/c:1}\n' },
      [/^warning .*_h\.tpl:1: this action has no "end".*\[TEMPLATE_INVALID]$/, /^a\/b:1$/, /^a\/c:1$/],
      'helpers that are none',
    ],
    [
      {
        '_h.tpl': '{{ define "a" }}{{ include "a" . }}{{ include "a" . }}{{ end }}',
        'a.yaml': 'x: {{ include "a" . }}\nimage: a/c:1\n',
      },
      [/^a\/b:1$/, /^a\/c:1$/],
      'a helper that includes itself twice',
    ],
    [
      { 'a.yaml': 'image: a/c:1\nx: {{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}\n' },
      [
        /^warning .*a\.yaml: its templates want more than 2000000 steps: .*\[TEMPLATE_TOO_LARGE]$/,
        /^a\/b:1$/,
        /^a\/c:1$/,
      ],
      'a template without end',
    ],
  ]
  for (const [index, [templates, want, why]] of rows.entries()) {
    const all = Object.fromEntries(
      Object.entries(templates).map(([name, text]) => [`templates/${name}`, text]),
    )
    const lines = await said(tree(`t${index}`, { ...files, ...all }))
    t.match(lines, want, why)
    t.equal(lines.length, want.length, why)
  }
})

t.test('texts made to take long', t => {
  const braces = (count: number): number => {
    const start = process.cpuUsage()
    t.same(textImages(`image: ${'{{'.repeat(count)}\na: b: c`, 't'), [])
    guessedImages({
      chart: { file: 'Chart.yaml', text: 'name: a\n' },
      values: undefined,
      templates: [
        { file: 't', text: `image: ${'{{'.repeat(count)}` },
        { file: 'u', text: `${'{{ "'.repeat(count)}` },
      ],
    })
    return millisecondsSince(start)
  }
  braces(1000)
  t.ok(braces(100_000) < 4000, 'a line of 100,000 braces')
  const list = Array.from({ length: 100_000 }, (_, n) => `example/a${n}:1 \t`).join('\r\n')
  const start = process.cpuUsage()
  const found = [...imageListImages(`${list}\r\n\r\nname:  \r\n`, 'l')]
  t.ok(millisecondsSince(start) < 4000, 'a list of 100,000 lines')
  t.equal(found.length, 100_001)
  t.equal(found[99_999]?.reference, 'example/a99999:1', 'blanks and CR at the end are none of it')
  t.match(found.at(-1), { reference: 'name:', line: 100_002 }, 'a name without a tag is told as it stands')
  t.end()
})
