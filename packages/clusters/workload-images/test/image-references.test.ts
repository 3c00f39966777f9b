import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import t from 'tap'
import { renderedImages } from '../src/chart.js'
import {
  authorizedList,
  type FoundImage,
  guessedImages,
  imageListImages,
  manifestImages,
  scan,
  sealerImage,
  sealerImages,
} from '../src/index.js'
import { templateImages } from '../src/template-lines.js'

const short = ({ reference, line, foundIn }: FoundImage): string => `${line ?? '-'} ${foundIn} ${reference}`
const failure = (work: () => unknown): string => {
  try {
    work()
    return 'accepted'
  } catch (error) {
    if (error instanceof ToolError) return `${error.message} [${error.code}]`
    throw error
  }
}

t.test('manifests', async t => {
  const rows: readonly { text: string; want: readonly string[]; why: string }[] = [
    {
      text: 'kind: Pod\nspec:\n  initContainers:\n  - {image: a:1}\n  containers:\n  - name: x\n    image: "b:2"\n  ephemeralContainers:\n  - image: c\n',
      want: ['4 container a:1', '7 container b:2', '9 container c'],
      why: 'the three lists of a pod',
    },
    {
      text: 'kind: X\nspec:\n  helper:\n    image: d:1\n',
      want: ['4 image d:1'],
      why: 'a field of another resource',
    },
    {
      text: 'containers:\n  image: {type: string}\nproperties:\n  image:\n    default: x\n',
      want: [],
      why: 'a schema is no image',
    },
    { text: 'image: null\n---\nimage: ""\n---\nimage: 5\n---\nimage: true\n', want: [], why: 'no text' },
    {
      text: '{\n "items": [\n  {"containers": [{"image": "e:1"}]}\n ]\n}',
      want: ['3 container e:1'],
      why: 'JSON, a list of resources',
    },
    {
      text: 'x: &c {image: f:1}\nspec:\n  containers:\n  - *c\n  - <<: *c\n    name: y\n',
      want: ['1 image f:1', '1 container f:1', '1 container f:1'],
      why: 'aliases and merge keys are containers where they stand',
    },
    {
      text: 'data:\n  pod.yaml: |\n    containers:\n    - image: g:1\n',
      want: [],
      why: 'text in a ConfigMap is text',
    },
    { text: 'image: h:1 # for x\n', want: ['1 image h:1'], why: 'a comment is none of it' },
  ]
  for (const { text, want, why } of rows) t.same([...manifestImages(text, 'm')].map(short), want, why)
  const bomb = `a0: &a0 [{image: x}]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('')}`
  t.match(
    failure(() => [...manifestImages(bomb, 'm')].length),
    /^m:\d+: its aliases make.*\[YAML_TOO_LARGE]$/,
    'a bomb',
  )
  t.match(
    failure(() => [...manifestImages('a: {{ x }}\nb', 'm')]),
    /^m:\d+:\d+: .*\[YAML_INVALID]$/,
    'a template is no YAML',
  )
})

t.test("sealer's rule", async t => {
  const rows: readonly (readonly [line: string, want: string, why: string])[] = [
    ['  - image: "a:1"', 'a:1', 'a quoted value'],
    ['initimage: a:1', 'a:1', 'any key that ends so'],
    ['{image: a, b: c}', 'ab:c}', 'no YAML is read'],
    ['image : a', 'a', 'a blank before the colon'],
    ['# image: a', '', 'a comment'],
    ['image: a # b', 'a#b', 'a comment behind is taken along'],
    ["'image': a", '', 'single quotes stay'],
    ['Image: a', '', 'upper case'],
    ['image:', '', 'nothing'],
    ['image', '', 'no colon'],
  ]
  for (const [line, want, why] of rows) t.equal(sealerImage(line), want, why)
  t.same([...sealerImages('a: 1\r\nimage: b\r\n', 'm')].map(short), ['2 line b'], 'lines are counted')
})

t.test('lists', async t => {
  t.same([...imageListImages('\ufeffa:1\n\n# no\n#no\n  "b" \r\n\'c\'  # why\nd#e\n', 'l')].map(short), [
    '1 list a:1',
    '5 list b',
    '6 list c',
    '7 list d#e',
  ])
  const text =
    '- registry: r.example\n  username: u\n  password: 1234\n  images:\n  - r.example/a:1\n  - b\n- registry: s.example\n  images:\n'
  const { images, logins } = authorizedList(text, 'l')
  t.same(images.map(short), ['5 list r.example/a:1', '6 list b'])
  t.same(logins, [{ registry: 'r.example', username: 'u', password: '1234' }])
  const rows: readonly (readonly [text: string, want: RegExp, why: string])[] = [
    ['a: 1', /^l:1: expected a list of registries \[IMAGE_LIST_INVALID]$/, 'a map'],
    ['- x', /^l:1: expected registry, username/, 'a text for a section'],
    ['- images: [a]', /^l:1: no registry is named/, 'no registry'],
    ['- registry: r\n  images: a', /^l:2: expected a list of images/, 'a text for images'],
    ['- registry: r\n  images:\n  - {a: b}', /^l:3: expected the name of an image/, 'a map for an image'],
  ]
  for (const [bad, want, why] of rows)
    t.match(
      failure(() => authorizedList(bad, 'l')),
      want,
      why,
    )
})

t.test('charts, guessed', async t => {
  const chart = { file: 'Chart.yaml', text: 'name: app\nappVersion: "2.0"\n' }
  const guess = (values: string, template = ''): readonly string[] =>
    guessedImages({
      chart,
      values: { file: 'values.yaml', text: values },
      templates: [{ file: 't', text: template }],
    }).map(short)
  const rows: readonly { values: string; template?: string; want: readonly string[]; why: string }[] = [
    { values: '', want: [], why: 'nothing' },
    { values: 'image: q.io/a:1\n', want: ['1 values q.io/a:1'], why: 'a text' },
    { values: 'image: on\nuseImage: x\n', want: [], why: 'a switch' },
    { values: 'image: {repository: a/b, tag: 1.0}\n', want: ['1 values a/b:1.0'], why: 'a version is text' },
    {
      values: 'image: {repository: a/b, tag: ""}\n',
      want: ['1 values a/b:2.0'],
      why: 'appVersion stands in',
    },
    {
      values: 'image:\n  registry: q.io\n  repository: a\n  tag: 1\n  digest: sha256:0\n',
      want: ['2 values q.io/a:1@sha256:0'],
      why: 'all parts',
    },
    {
      values: 'image: {registry: , repository: , tag: }\n',
      want: [],
      why: 'an empty repository names nothing',
    },
    {
      values: 'global: {imageRegistry: g.io}\nx: {repository: a, tag: 1}\n',
      want: ['2 values g.io/a:1'],
      why: 'a registry for all',
    },
    { values: 'x: {enabled: false, image: {repository: a, tag: 1}}\n', want: [], why: 'what is off' },
    {
      values: 'x: {image: a/b, tag: 1, registry: q.io}\n',
      want: ['1 values q.io/a/b:1'],
      why: 'image for repository',
    },
    {
      values: 'r: q.io/a\nt: ""\n',
      template: '  image: "{{ .Values.r }}:{{ .Values.t | default .Chart.AppVersion }}" # x\n',
      want: ['1 template q.io/a:2.0'],
      why: 'simple actions',
    },
    {
      values: 'r: a\n',
      template: '- image: {{ printf "%s:%s" .Values.r "1" | quote }}\n',
      want: ['1 template a:1'],
      why: 'printf',
    },
    {
      values: '',
      template: 'image: {{ include "x" . }}\nimage: b:1\nimage: {{ .Values.a.b }}\n',
      want: ['2 template b:1'],
      why: 'what cannot be told is left out',
    },
    {
      values: 'x: {enabled: false, i: a:1}\n',
      template: 'image: {{ .Values.x.i }}\n',
      want: [],
      why: 'below what is off',
    },
  ]
  for (const { values, template, want, why } of rows) t.same(guess(values, template), want, why)
  t.ok(
    guessedImages({ chart, values: undefined, templates: [{ file: 't', text: 'image: a' }] }).every(
      one => one.guess,
    ),
  )
  t.same(
    [...templateImages('image: {{ x }}\nimage: "a:1"\n', 't')].map(short),
    ['2 template a:1'],
    'without a chart',
  )
})

t.test('charts, rendered', async t => {
  const text =
    '---\n# Source: app/templates/a.yaml\ncontainers:\n- image: a:1\n---\n# Source: app/charts/s/templates/b.yaml\nimage: b\n'
  t.same(
    [...renderedImages(text, 'charts/app')].map(({ file, ...one }) => `${file} ${short({ file, ...one })}`),
    ['charts/app/templates/a.yaml - chart a:1', 'charts/app/charts/s/templates/b.yaml - chart b'],
  )
})

t.test('texts made to take long', async t => {
  const many = 200_000
  // Each of these texts once took minutes or hours, because the time grew with the square of the length.
  t.same([...templateImages(`image: ${'{{'.repeat(many)}`, 't')], [], 'braces that nothing closes')
  t.equal([...templateImages(`image: a${' '.repeat(many)}b`, 't')].length, 1, 'blanks inside of a value')
  t.same([...templateImages(`image: {{ ${'- '.repeat(many)}}}`, 't')], [], 'dashes in an action')
  const numbers = Array.from({ length: many / 2 }, (_, index) => index)
  const found = guessedImages({
    chart: { file: 'Chart.yaml', text: 'name: app\n' },
    values: { file: 'values.yaml', text: numbers.map(index => `i${index}image: x/y:${index}\n`).join('') },
    templates: [{ file: 't', text: numbers.map(index => `image: {{ .Values.i${index}image }}\n`).join('') }],
  })
  t.equal(found.length, many / 2, 'as many keys as lines that ask for them')
  const sources = numbers.map(index => `# Source: a/${index}\nimage: x/y:${index}\n`)
  t.match(
    [...renderedImages(`---\n${sources.join('---\n').slice(0, 300_000)}`, 'c')].at(-1)?.file,
    /^c\/\d{4}$/,
    'many sources of one rendered chart',
  )
})

t.test('between two files there is time for a signal', async t => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'scan-'))
  t.teardown(() => fs.rmSync(dir, { recursive: true }))
  for (const name of ['a.yaml', 'b.yaml']) fs.writeFileSync(path.join(dir, name), 'image: x:1\n')
  const aborter = new AbortController()
  setImmediate(() => aborter.abort(new Error('stopped')))
  const files = async (): Promise<void> => {
    for await (const _ of scan(dir, { signal: aborter.signal }));
  }
  await t.rejects(files(), /stopped/)
})
