import { PassThrough, Readable, Writable } from 'node:stream'
import ndjson from 'ndjson'
import t from 'tap'
import {
  type AnyRecord,
  type ChangeRecord,
  changesDigest,
  collect,
  formatRecord,
  logWriter,
  nameFields,
  nameOf,
  pipe,
  RecordWriter,
  readRecords,
  readReferences,
  showName,
} from '../src/index.js'
import { parseRecord, recordTypes } from '../src/parse.js'
import { MAX_LINE_CHARS } from '../src/read.js'

const END = '{"type":"end","tool":"t","records":1,"failed":0}\n'
const X = '{"type":"x","n":1}\n'
const stream = (...chunks: (string | Buffer)[]): Readable =>
  Readable.from(
    chunks.map(c => Buffer.from(c)),
    { objectMode: false },
  )
/** A record whose value has this many levels. */
const deep = (levels: number): string => `{"type":"x","v":${'['.repeat(levels)}${']'.repeat(levels)}}`
const read = (text: string | Buffer, options = {}) => collect(readRecords(stream(text), options))

t.test('readRecords(): images of joined streams stay apart', async t => {
  const one = '{"type":"x-layer","image":"1","partOf":"0"}\n'
  t.same(await read(one + END + one + X + END, { streams: 2 }), [
    { type: 'x-layer', image: '1.1', partOf: '1.0' },
    { type: 'x-layer', image: '2.1', partOf: '2.0' },
    JSON.parse(X),
  ])
  t.match(await read(one + END), [{ image: '1' }], 'a single stream keeps its keys')
})

t.test('readRecords(): complete or an error', async t => {
  const good: [string, string, object, number][] = [
    ['one record', X + END, {}, 1],
    ['only an end', END, {}, 0],
    ['blank lines', `\n${X}\n  \n${END}\n`, {}, 1],
    ['CRLF', (X + END).replaceAll('\n', '\r\n'), {}, 1],
    ['no newline after the end', X + END.trim(), {}, 1],
    ['--no-end', X, { noEnd: true }, 1],
    ['--no-end, and an end all the same', X + END, { noEnd: true }, 1],
    ['--streams 2', X + END + X + END, { streams: 2 }, 2],
    ['nested 256 deep', `${deep(255)}\n${END}`, {}, 1],
    ['brackets in a string', `{"type":"x","s":"\\"${'['.repeat(1000)}"}\n${END}`, {}, 1],
    ['many brackets, none deep', `{"type":"x","s":[${'[],'.repeat(1000)}{}]}\n${END}`, {}, 1],
    ['a BOM', `\ufeff${X}${END}`, {}, 1],
  ]
  for (const [why, text, options, count] of good) t.equal((await read(text, options)).length, count, why)
  const bad: [string, string | Buffer, string, RegExp, object?][] = [
    ['nothing at all', '', 'INPUT_CUT', /--no-end/],
    ['no end', X, 'INPUT_CUT', /end/],
    ['cut in a line', `${X}{"type":"e`, 'RECORD_INVALID', /^line 2: /],
    ['pretty-printed', '{\n  "type": "x"\n}\n', 'RECORD_INVALID', /jq -c/],
    ['nested 257 deep', `${deep(256)}\n`, 'RECORD_INVALID', /^line 1: .*nested more than 256 deep$/],
    [
      'nested 100,000 deep',
      `${X}${deep(100_000)}\n`,
      'RECORD_INVALID',
      /^line 2: .*nested more than 256 deep$/,
    ],
    ['an array of records', `[${X.trim()}]\n`, 'RECORD_INVALID', /not an object/],
    ['null', 'null\n', 'RECORD_INVALID', /not an object/],
    ['no type', '{"a":1}\n', 'RECORD_INVALID', /no "type"/],
    ['a type that is no text', '{"type":1}\n', 'RECORD_INVALID', /no "type"/],
    ['wrong shape', '{"type":"layer","image":"1"}\n', 'RECORD_INVALID', /"layer" record/],
    [
      'negative size',
      `{"type":"blob","image":"1","mediaType":"m","digest":"sha256:${'0'.repeat(64)}","size":-1}\n`,
      'RECORD_INVALID',
      /"size"/,
    ],
    ['a record after the end', END + X, 'INPUT_AFTER_END', /--streams/],
    ['one stream of two', X + END, 'INPUT_CUT', /2 "end" records, got 1/, { streams: 2 }],
    ['not UTF-8', Buffer.from('{"type":"\xff"}\n', 'latin1'), 'RECORD_NOT_UTF8', /UTF-8/],
    [
      'UTF-8 cut at the end',
      Buffer.concat([Buffer.from(X), Buffer.from([0xe2, 0x82])]),
      'RECORD_NOT_UTF8',
      /UTF-8/,
    ],
    ['upstream failed', '{"type":"error","tool":"up","code":"NO","message":"why"}\n', 'NO', /up failed: why/],
  ]
  for (const [why, text, code, message, options] of bad)
    await t.rejects(read(text, options), { code, message }, why)
})

t.test('readRecords(): chunks of any size, a slow reader, a reader that leaves', async t => {
  const text = `{"type":"x","s":"grüße €"}\n${X}${END}`
  const bytes = [...Buffer.from(text)].map(b => Buffer.from([b]))
  t.same(
    (await collect(readRecords(stream(...bytes)))).map(r => r.type),
    ['x', 'x'],
    'one byte a chunk',
  )
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.from(X)
    })(),
    { objectMode: false },
  )
  for await (const record of readRecords(endless)) {
    t.equal(record.type, 'x')
    break
  }
  t.ok(endless.destroyed, 'a consumer that leaves ends the input')
  const broken = new PassThrough()
  broken.write(X)
  const reading = collect(readRecords(broken))
  setImmediate(() => broken.destroy(new Error('disk')))
  await t.rejects(reading, /disk/, 'an error of the input in the middle')
  const long = Readable.from(
    (function* () {
      yield Buffer.from('{"type":"x","s":"')
      for (let i = 0; i < 40; i++) yield Buffer.alloc(MAX_LINE_CHARS / 32, 'a')
    })(),
    { objectMode: false },
  )
  await t.rejects(
    collect(readRecords(long)),
    { code: 'RECORD_TOO_LONG' },
    'a line without end is not gathered',
  )
})

t.test('readReferences(): lines, records, both', async t => {
  const text = `# images\ndebian:12\n\n  a/b \n{"type":"reference","reference":"c","platform":"linux/arm64"}\n${X}`
  const expected = [
    { type: 'reference', reference: 'debian:12' },
    { type: 'reference', reference: 'a/b' },
    { type: 'reference', reference: 'c', platform: 'linux/arm64' },
    { type: 'x', n: 1 },
  ]
  t.same(await collect(readReferences(stream(text))), expected)
  t.same(await collect(readReferences(stream(text + END))), expected, 'an end is welcome')
  await t.rejects(collect(readReferences(stream('{"type":"reference"}\n'))), {
    code: 'RECORD_INVALID',
    message: /^line 1/,
  })
})

t.test('schemas: every type, and what passes through', async t => {
  t.same(
    recordTypes().sort(),
    [
      'blob',
      'bundle',
      'change',
      'cluster-image',
      'config',
      'difference',
      'end',
      'error',
      'failed',
      'finding',
      'history',
      'host',
      'image',
      'garbage',
      'index',
      'instruction',
      'layer',
      'layer-begin',
      'layer-end',
      'manifest',
      'mount',
      'operation',
      'outcome',
      'have',
      'listening',
      'want',
      'plan',
      'progress',
      'reference',
      'snapshot',
      'usage',
      'verified',
    ].sort(),
  )
  for (const type of ['constructor', '__proto__', 'toString', 'my-own'])
    t.same(parseRecord(JSON.stringify({ type, a: 1 })).a, 1, `unknown type ${type}`)
  const change = { type: 'change', op: 'add', path: 'a' }
  const entry = { type: 'file', mode: '0644', uid: 0, gid: 0, mtime: '1.5' }
  t.ok(parseRecord(JSON.stringify({ ...change, entry, extra: {} })))
  const bad: [string, object][] = [
    ['add without entry', change],
    ['mode as a number', { ...change, entry: { ...entry, mode: 420 } }],
    ['mode in decimal', { ...change, entry: { ...entry, mode: '0698' } }],
    ['time as a double', { ...change, entry: { ...entry, mtime: 1.5 } }],
    ['ten decimals', { ...change, entry: { ...entry, mtime: '1.0123456789' } }],
    ['symlink without target', { ...change, entry: { ...entry, type: 'symlink' } }],
    ['device without numbers', { ...change, entry: { ...entry, type: 'char' } }],
    ['two names', { ...change, pathRaw: 'YQ==', entry }],
    ['no name', { type: 'change', op: 'delete' }],
    [
      'a cluster that is no name',
      {
        type: 'operation',
        id: 'a',
        cluster: '../x',
        host: 'h',
        title: 't',
        phase: 'p',
        needs: [],
        do: { run: {} },
      },
    ],
    ['a port that is none', { type: 'host', address: 'a', roles: [], port: 0 }],
    ['a result that is none', { type: 'outcome', id: 'a', host: 'h', result: 'maybe', seconds: 1 }],
    ['relative source', { ...change, entry: { ...entry, source: 'x' } }],
  ]
  for (const [why, record] of bad)
    t.throws(() => parseRecord(JSON.stringify(record)), { code: 'RECORD_INVALID' }, why)
})

t.test('names: text, or base64 where they are not UTF-8', async t => {
  for (const [bytes, fields] of [
    [Buffer.from('usr/bin'), { path: 'usr/bin' }],
    [Buffer.from('grüße'), { path: 'grüße' }],
    [Buffer.from([0xff, 0x41]), { pathRaw: '/0E=' }],
    [Buffer.from(''), { path: '' }],
  ] as const) {
    const binary = bytes.toString('latin1')
    t.same(nameFields('path', binary), fields)
    t.equal(nameOf(fields, 'path'), binary)
  }
  t.equal(nameOf({}, 'path'), undefined)
  t.equal(showName('a\nb\x1b[1m'), 'a\\x0ab\\x1b[1m', 'no control character reaches a terminal')
  t.equal(showName('\xff'), '\\xff')
  t.equal(showName(Buffer.from('a\u202eb').toString('latin1')), 'a\\u202eb', 'nor a control of direction')
  t.equal(showName('\xff\x9b\xe2'), '\\xff\\x9b\\xe2', 'also beside bytes that are not UTF-8')
})

t.test('changesDigest(): any edit shows, added fields do not', async t => {
  const digest = (...changes: object[]) => {
    const sum = changesDigest()
    for (const change of changes) sum.update(change as ChangeRecord)
    return sum.digest()
  }
  const a = {
    type: 'change',
    op: 'add',
    path: 'a',
    entry: { type: 'file', mode: '0644', uid: 0, gid: 0, mtime: '1', xattrs: { b: 'YQ==', a: 'Yg==' } },
  }
  const d = { type: 'change', op: 'delete', path: 'b' }
  // printf '["delete","b",null,false,null]\n' | sha256sum
  t.equal(digest(d), 'sha256:c411f640eb2e85fa592f258d166a2d9547702010a1188cdf8818831f6422916c')
  const whole = digest(a, d)
  t.equal(
    digest({ note: 1, ...a, entry: { ...a.entry, xattrs: { a: 'Yg==', b: 'YQ==' } } }, d),
    whole,
    'order of fields and unknown fields do not count',
  )
  const edits = [
    [a],
    [d, a],
    [{ ...a, path: 'A' }, d],
    [{ ...a, entry: { ...a.entry, mode: '0600' } }, d],
    [{ ...a, parent: true }, d],
    [{ ...a, entry: { ...a.entry, source: '/etc/shadow' } }, d],
    [{ ...a, entry: { ...a.entry, content: { digest: 'sha256:1', offset: 0 } } }, d],
  ]
  for (const edit of edits) t.not(digest(...edit), whole)

  const content = { digest: 'sha256:1', offset: 512, runs: [[0, 1]] }
  const referred = (more: object): string =>
    digest({ ...a, entry: { ...a.entry, content: { ...content, ...more } } })
  // printf '["add","a",null,false,["file","0644",0,0,"1",null,null,null,null,null,[["a","Yg=="],["b","YQ=="]],null,null,["sha256:1",512,[[0,1]]]]]\n' | sha256sum
  t.equal(referred({}), 'sha256:840acc0f611eea3dca06dfbe91ffadaad1830eea7d42cfcd1f8ee4862cc8eeee')
  t.equal(referred({ path: '/elsewhere' }), referred({}), 'where a blob lies is a hint')
  for (const edit of [{ digest: 'sha256:2' }, { offset: 513 }, { runs: undefined }])
    t.not(referred(edit), referred({}), JSON.stringify(edit))
})

t.test('RecordWriter: batches, waits, counts; ndjson reads what it writes', async t => {
  const chunks: string[] = []
  let release = (): void => {}
  const slow = new Writable({
    highWaterMark: 1,
    write: (chunk, _encoding, done) => {
      chunks.push(String(chunk))
      release = done
    },
  })
  const writer = new RecordWriter(slow)
  for (let i = 0; i < 3; i++)
    t.equal(writer.write({ type: i === 1 ? 'failed' : 'x', i }), undefined, 'small records do not wait')
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  t.equal(chunks.length, 1, 'an idle program has written what it has, in one piece')
  const big = writer.write({ type: 'x', s: 'a'.repeat(70_000) })
  let waited = true
  big?.then(() => {
    waited = false
  })
  await new Promise(resolve => setImmediate(resolve))
  t.ok(big instanceof Promise && waited, 'a slow reader is waited for')
  release()
  await new Promise(resolve => setImmediate(resolve))
  release()
  await big
  t.same([writer.records, writer.failed], [4, 1])
  const second = ndjson.parse()
  const seen: AnyRecord[] = []
  second.on('data', record => seen.push(record))
  second.end(chunks.join(''))
  await new Promise(resolve => second.on('end', resolve))
  t.same(
    seen.map(r => r.type),
    ['x', 'failed', 'x', 'x'],
  )
  const terminal = Object.assign(new PassThrough(), { isTTY: true })
  const onTerminal = new RecordWriter(terminal)
  onTerminal.write({ type: 'x', name: 'a\x9b\u202eb' })
  await onTerminal.flush()
  t.equal(
    String(terminal.read()),
    '{"type":"x","name":"a\\u009b\\u202eb"}\n',
    'a terminal obeys nothing of it',
  )
  const full = new RecordWriter(
    new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('full'), { code: 'ENOSPC' })),
    }).on('error', () => {}),
  )
  full.write({ type: 'x' })
  await t.rejects(full.flush(), { code: 'ENOSPC' })
  t.throws(() => full.write({ type: 'x' }), { code: 'ENOSPC' }, 'and stays broken')
})

t.test('pipe(): stages in one process', async t => {
  async function* source(): AsyncGenerator<AnyRecord> {
    yield { type: 'x', n: 1 }
    yield { type: 'x', n: 2 }
  }
  async function* double(records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
    for await (const r of records) yield { ...r, n: Number(r.n) * 2 }
  }
  t.same(
    (await collect(pipe(source(), double, double))).map(r => r.n),
    [4, 8],
  )
  async function* broken(): AsyncGenerator<AnyRecord> {
    yield { type: 'layer', image: '1' }
  }
  await t.rejects(
    collect(pipe(broken(), double)),
    { code: 'RECORD_INVALID' },
    'schemas hold between stages as between processes',
  )
  let closed = false
  async function* watched(): AsyncGenerator<AnyRecord> {
    try {
      for (;;) yield { type: 'x' }
    } finally {
      closed = true
    }
  }
  for await (const _ of pipe(watched(), double)) break
  t.ok(closed, 'a consumer that leaves closes the stages above')
})

t.test('logWriter(): one JSON line each', async t => {
  const out = new PassThrough()
  const log = await logWriter(out)
  log({ level: 'warning', tool: 't', message: 'a\nb', code: 'C' })
  t.equal(
    String(out.read()),
    `${JSON.stringify({ level: 'warning', tool: 't', message: 'a\nb', code: 'C' })}\n`,
  )
  t.equal(formatRecord({ type: 'x' }), '{"type":"x"}\n')
})
