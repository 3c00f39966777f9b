import { ToolError } from '@pipelayer/errors'
import t from 'tap'
import { formatYAML, valueOf, type YAMLNode, yamlDocuments } from '../src/index.js'

const all = (text: string): readonly YAMLNode[] => [...yamlDocuments(text, { file: 'f' })]
const values = (text: string): readonly unknown[] => all(text).map(node => valueOf(node, 'f'))
const failure = (work: () => unknown): string => {
  try {
    work()
    return 'accepted'
  } catch (error) {
    if (error instanceof ToolError) return `${error.message} [${error.code}]`
    throw error
  }
}

t.test('values', async t => {
  const rows: readonly { text: string; want: readonly unknown[]; why: string }[] = [
    { text: '', want: [], why: 'nothing' },
    { text: '# only a comment\n---\n---\n', want: [null, null], why: 'empty documents' },
    { text: 'a: 1\n---\nb: x\n...\n', want: [{ a: 1 }, { b: 'x' }], why: 'two documents, an end marker' },
    { text: '%YAML 1.2\n---\na: 1\n', want: [{ a: 1 }], why: 'a directive belongs to what follows' },
    { text: '\ufeffa: ~\r\nb: true\r\n', want: [{ a: null, b: true }], why: 'byte order mark, CRLF' },
    { text: '{\n\t"a": [1, "x"]\n}', want: [{ a: [1, 'x'] }], why: 'JSON with tabs' },
    { text: 'a: yes\nb: "1"\nc: !!str 1', want: [{ a: 'yes', b: '1', c: '1' }], why: 'text stays text' },
    { text: 'a: |\n  x\n  --- y\n', want: [{ a: 'x\n--- y\n' }], why: 'a marker that is none' },
    { text: 'a: &x {k: v}\nb: *x\n', want: [{ a: { k: 'v' }, b: { k: 'v' } }], why: 'an alias' },
    {
      text: 'a: &a {k: 1, l: 1}\nb: &b {<<: *a, l: 2}\nc: {<<: [*b], m: 3}\n',
      want: [{ a: { k: 1, l: 1 }, b: { k: 1, l: 2 }, c: { k: 1, l: 2, m: 3 } }],
      why: 'merge keys, also of merged maps',
    },
    {
      text: "a:\n  b: 'one\n  two\n\n  three'\n  c: [1,\n2\n]\n",
      want: [{ a: { b: 'one two\nthree', c: [1, 2] } }],
      why: 'continued lines that are not indented, as libyaml takes them',
    },
    {
      text: "a:\n- b: &x \"one \\\"\n  two: 2\"\n  'c''s': 'it''s\n  - three'\n- - \"x\n- y\"\n",
      want: [{ a: [{ b: 'one " two: 2', "c's": "it's - three" }, ['x - y']] }],
      why: "continued at the key's own indentation, with what looks like keys and items",
    },
    {
      text: 'a: |\n  b: "x\n  y\nc: "d\ne"\nf: x # "g\nh: it\'s\n',
      want: [{ a: 'b: "x\ny\n', c: 'd e', f: 'x', h: "it's" }],
      why: 'what looks like a quoted text in a block scalar, a comment or a plain text',
    },
  ]
  for (const { text, want, why } of rows) t.same(values(text), want, why)
})

t.test('lines', async t => {
  const text = 'a:\n  - x\n---\n# c\nb: \'q\nr\'\nc:\n  d: "y"\n'
  const lines: (readonly [string, number])[] = []
  const walk = (node: YAMLNode): void => {
    if (node.kind === 'scalar') lines.push([node.text, node.line])
    else if (node.kind === 'list') node.items.forEach(walk)
    else node.pairs.flat().forEach(walk)
  }
  all(text).forEach(walk)
  t.same(lines, [
    ['a', 1],
    ['x', 2],
    ['b', 5],
    ['q r', 5],
    ['c', 7],
    ['d', 8],
    ['y', 8],
  ])
})

t.test('many continued texts are read at once', async t => {
  // Read again for each line, this document would be refused: it would be more than the limit.
  const count = 3000
  const text = Array.from({ length: count }, (_, i) => `k${i}: "one\n${'x'.repeat(100)}\n'two'"\n`).join('')
  const [value] = values(text) as [Record<string, string>]
  t.equal(Object.keys(value).length, count)
  t.equal(value.k2999, `one ${'x'.repeat(100)} 'two'`)
  const hostile = ['- '.repeat(50_000), '&a '.repeat(50_000), 'a: '.repeat(50_000), "a: '\n".repeat(30_001)]
  for (const line of hostile) {
    const start = process.cpuUsage().user
    t.throws(() => values(`b: "\nc"\n${line}\n`), { code: 'YAML_INVALID' })
    t.ok(process.cpuUsage().user - start < 5_000_000, `${line.slice(0, 8)} takes no quadratic time`)
  }
})

t.test('what is refused', async t => {
  const bomb = `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('')}`
  const chain = `a0: &a0 [x]\n${Array.from({ length: 999 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}]\n`).join('')}`
  const merges = `a0: &a0 {k: v}\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} {<<: [*a${i}, *a${i}]}\n`).join('')}`
  const rows: readonly { text: string; want: RegExp; why: string }[] = [
    { text: 'a: b: c\n', want: /^f:1:5: .*\[YAML_INVALID]$/, why: 'no YAML, with its place' },
    {
      text: 'a: 1\n---\nb: [\n',
      want: /^f:\d+:\d+: .*\[YAML_INVALID]$/,
      why: 'broken in the second document',
    },
    { text: 'a: *b\n', want: /^f:1: no anchor "b" \[YAML_INVALID]$/, why: 'an alias of nothing' },
    { text: 'a: &a [*a]\n', want: /no anchor "a"/, why: 'an alias inside of itself' },
    { text: '[a]: b\n', want: /^f:1: a key that is no text/, why: 'a list as a key' },
    { text: '<<: x\n', want: /<< takes maps/, why: 'a merged text' },
    {
      text: bomb,
      want: /^f:\d+: its aliases make more than 100000 nodes.*\[YAML_TOO_LARGE]$/,
      why: 'a billion laughs',
    },
    { text: chain, want: /YAML_TOO_LARGE/, why: 'a deep chain of aliases' },
    { text: merges, want: /YAML_TOO_LARGE/, why: 'a bomb of merge keys' },
    { text: '['.repeat(10_000), want: /YAML_INVALID/, why: 'deep nesting' },
    {
      text: '---\na: 1\n'.repeat(1_000_000),
      want: /^f:20001: more than 10000 documents \[YAML_TOO_LARGE]$/,
      why: 'a million documents',
    },
    {
      text: `a: ${'x'.repeat(5 * 1024 * 1024)}`,
      want: /^f:1: a document of more than/,
      why: 'a large document',
    },
    { text: ' '.repeat(17 * 1024 * 1024), want: /^f: 17825792 characters/, why: 'a large file' },
  ]
  for (const { text, want, why } of rows)
    t.match(
      failure(() => values(text)),
      want,
      why,
    )
})

// The expected texts come from go-yaml 2's encode_test.go and from PyYAML, whose emitter is that of libyaml as well.
t.test('format', async t => {
  const rows: readonly { value: unknown; want: string; why: string }[] = [
    { value: {}, want: '{}\n', why: 'an empty map' },
    { value: { b: 1, a: [], c: {} }, want: 'a: []\nb: 1\nc: {}\n', why: 'keys in order, empty collections' },
    {
      value: { a: [{ x: 1, y: 2 }, 'z'] },
      want: 'a:\n- x: 1\n  "y": 2\n- z\n',
      why: 'a list at its key, a key that is a bool',
    },
    { value: [[1, 2], [3]], want: '- - 1\n  - 2\n- - 3\n', why: 'lists in lists' },
    {
      value: { a: null, b: undefined, c: false },
      want: 'a: null\nc: false\n',
      why: 'null stays, undefined does not',
    },
    { value: { a: 'x\ny\n' }, want: 'a: |\n  x\n  y\n', why: 'lines' },
    { value: { a: 'x\n\ny' }, want: 'a: |-\n  x\n\n  y\n', why: 'lines without the last break' },
    { value: { a: 'x\n\n' }, want: 'a: |+\n  x\n\n', why: 'an empty line at the end' },
    { value: { a: ' x\ny\n' }, want: 'a: |2\n   x\n  y\n', why: 'lines that begin with a blank' },
    {
      value: { a: 'yes', b: '1.5', c: '22:22', d: '' },
      want: 'a: "yes"\nb: "1.5"\nc: "22:22"\nd: ""\n',
      why: 'text that would be something else',
    },
    {
      value: { a: '# x', b: 'x: y', c: '- x', d: "it's", e: '-x', f: ' x' },
      want: "a: '# x'\nb: 'x: y'\nc: '- x'\nd: it's\ne: -x\nf: ' x'\n",
      why: 'quotes',
    },
    { value: { a: '\u0001' }, want: 'a: "\\u0001"\n', why: 'what cannot be printed' },
    {
      value: { value: `kubectl ${'apply '.repeat(20).trimEnd()}` },
      want: `value: kubectl ${'apply '.repeat(11)}apply\n  ${'apply '.repeat(8).trimEnd()}\n`,
      why: 'long lines break behind column 80',
    },
  ]
  for (const { value, want, why } of rows) t.equal(formatYAML(value), want, why)
  for (const { value, why } of rows.filter(row => row.why !== 'null stays, undefined does not'))
    t.same(values(formatYAML(value)), [value], `read again: ${why}`)
})

t.test('a directive and thousands of documents behind it', async t => {
  // Once, all text before each document was searched again for directives, and the documents were held as one.
  const text = `#${'x'.repeat(2_000_000)}\n%YAML 1.2\n${'---\na: 1\n'.repeat(9000)}`
  t.equal([...yamlDocuments(text, { file: 'f' })].length, 9000)
})
