// kf-parse by tables: files and stdin, names and dialects, stages, bad input.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { type AnyRecord, collect, type InstructionRecord, recordError } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import t from 'tap'
import { EXPLANATION, type KfParseOptions, kfParse } from '../src/index.js'

const NOTHING = { stdin: Readable.from([]) }

t.test('records', async t => {
  const dir = t.testdir({
    Dockerfile: 'ARG V=1\r\nFROM a AS b\r\n  RUN <<E\r\nx\r\nE\r\nFROM b\r\nONBUILD RUN y\r\n',
  })
  const file = path.join(dir, 'Dockerfile')
  const list = await collect(kfParse(file, NOTHING))
  t.same(
    list.map(({ stage, index, name, form, args }) => ({ stage, index, name, form, args })),
    [
      { stage: -1, index: 0, name: 'ARG', form: 'words', args: ['V=1'] },
      { stage: 0, index: 1, name: 'FROM', form: 'words', args: ['a', 'AS', 'b'] },
      { stage: 0, index: 2, name: 'RUN', form: 'shell', args: ['<<E'] },
      { stage: 1, index: 3, name: 'FROM', form: 'words', args: ['b'] },
      { stage: 1, index: 4, name: 'ONBUILD', form: 'words', args: [] },
    ],
  )
  t.match(list[2], {
    type: 'instruction',
    dialect: 'dockerfile',
    raw: 'RUN <<E',
    source: { file, line: 3, endLine: 5, column: 3 },
    heredocs: [{ name: 'E', content: 'x\r\n' }],
  })
  t.match(list[4], { trigger: { name: 'RUN', form: 'shell', args: ['y'] } })
  for (const record of list) t.equal(recordError(record), undefined, 'fits its schema')
})

t.test('the dialect', async t => {
  const classic = 'FROM a\nCMD b'
  const newer = 'FROM a\nLAUNCH b'
  const rows: readonly { name: string; text: string; dialect?: KfParseOptions['dialect']; want: string }[] = [
    { name: 'Dockerfile', text: classic, want: 'dockerfile' },
    { name: 'Kubefile.txt', text: classic, want: 'dockerfile' },
    { name: 'x/kubefile', text: classic, want: 'kubefile-classic' },
    { name: 'a.Kubefile', text: newer, want: 'kubefile' },
    { name: 'Kubefile', text: classic, dialect: 'kubefile', want: 'kubefile' },
    { name: 'Kubefile', text: classic, dialect: 'dockerfile', want: 'dockerfile' },
    { name: '-', text: newer, dialect: 'kubefile', want: 'kubefile' },
    { name: 'Kubefile', text: 'FROM a\nUSER b', want: 'sealos' },
    { name: 'Sealfile', text: classic, want: 'sealos' },
    { name: 'K2', text: 'FROM a\nUSER b', dialect: 'sealos', want: 'sealos' },
  ]
  for (const { name, text, dialect, want } of rows) {
    const options = { stdin: Readable.from([Buffer.from(text)]), dialect, fileName: name }
    const list = await collect(kfParse('-', options))
    t.same(
      list.map(record => record.dialect),
      [want, want],
      `${name} ${dialect ?? ''}`,
    )
    t.match(list[0], { source: { file: name } })
  }
})

t.test('what is said of a dialect', async t => {
  const said: string[] = []
  const parse = (name: string, text: string, options: Partial<KfParseOptions> = {}): Promise<AnyRecord[]> => {
    const stdin = Readable.from([Buffer.from(text)])
    const warn = (message: string): void => void said.push(message)
    return collect(kfParse('-', { stdin, fileName: name, warn, ...options })) as Promise<AnyRecord[]>
  }
  const [finding, ...rest] = await parse('x/Kubefile', 'FROM a\nCMD ["b c"]', { explainDialect: true })
  const message = 'sealos: the JSON array of CMD is read as in a Dockerfile'
  t.same(finding, {
    type: 'finding',
    rule: 'dialect',
    severity: 'info',
    message,
    file: 'x/Kubefile',
    line: 2,
  })
  t.same(rest, [], 'and no instructions')
  t.equal(recordError(finding as AnyRecord), undefined, 'fits its schema')
  t.equal(EXPLANATION.record(finding as AnyRecord), `x/Kubefile:2: ${message}\n`)
  const [plain] = await parse('Kubefile', 'FROM a\nCOPY . .', { explainDialect: true })
  t.match(EXPLANATION.record(plain as AnyRecord), /^Kubefile: kubefile-classic: it has nothing but FROM/)
  t.match(await parse('K', 'FROM a', { explainDialect: true, dialect: 'sealos' }), [
    { message: /command line/ },
  ])
  t.match(await parse('D', 'FROM a', { explainDialect: true }), [{ message: /^dockerfile: its name/ }])
  t.same(said, [], 'nothing to warn of')
  t.equal((await parse('K2', 'FROM scratch\nCOPY rootfs/* .')).length, 2)
  t.match(said.splice(0), [/^K2 is read as a Dockerfile/])
  await parse('K2', 'FROM scratch\nCOPY rootfs/* .', { dialect: 'dockerfile' })
  t.same(said, [], 'the flag decides')
  await parse('Kubefile', 'FROM kubernetes\nCOPY a b # c')
  t.match(said, [/^Kubefile:2:1: "# c" behind COPY is ignored/])
})

t.test('long heredocs of a Kubefile of sealos', async t => {
  const store = path.join(t.testdir(), 'store')
  const stdin = Readable.from([Buffer.from('FROM a\nCOPY <<E /x\n1234567890\nE\n')])
  const list = await collect(kfParse('-', { stdin, fileName: 'Kubefile', store, heredocLimit: 5 }))
  t.match(list[1], { dialect: 'sealos', heredocs: [{ size: 11 }] })
})

t.test('a byte at a time', async t => {
  const bytes = Buffer.from('FROM a\nLABEL x="é"\n')
  const stdin = Readable.from([...bytes].map(byte => Buffer.of(byte)))
  t.match((await collect(kfParse('-', { stdin })))[1], { args: ['x', '"é"', '='] })
})

t.test('long heredocs', async t => {
  // By: printf '\t1234567é\r\n' | sha256sum; printf '1234\n' | sha256sum
  const digests = [
    'sha256:6f8692d0908dee174186afbc6dbdcf7344c05b58a6af517d871290bf5eb66e9c',
    'sha256:a883dafc480d466ee04e0d6da986bd78eb1fdd2178d04693723da3a8f95d42f4',
  ] as const
  const store = path.join(t.testdir(), 'store')
  const parse = async (text: string | Buffer, options: object = { store }): Promise<InstructionRecord[]> =>
    (await collect(
      kfParse('-', {
        stdin: Readable.from([Buffer.from(text)]),
        heredocLimit: 10,
        fileName: 'D',
        ...options,
      }),
    )) as InstructionRecord[]
  const [, short] = await parse('FROM a\nCOPY <<E /x\n123456789\nE\n')
  t.same(short?.heredocs?.[0]?.content, '123456789\n', 'ten bytes are not long')
  t.notOk(existsSync(store), 'and need no store')

  const body = '\t1234567\u00e9\r\n'
  const text = `FROM a\nCOPY <<-"E" <<F /x/\n${body}E\n12345678\nF\nRUN y\n`
  const [from, copy, run] = await parse(text)
  t.match(from, { name: 'FROM' })
  t.same(
    copy?.heredocs,
    [
      { name: 'E', expand: false, chomp: true, fd: 0, digest: digests[0], size: Buffer.byteLength(body) },
      { name: 'F', expand: true, chomp: false, fd: 0, content: '12345678\n' },
    ],
    'as written; what comes after it is as ever',
  )
  t.match(copy, { raw: 'COPY <<-"E" <<F /x/', source: { line: 2, endLine: 6 } })
  t.match(run, { name: 'RUN', source: { line: 7 } })
  t.equal(copy && recordError(copy), undefined, 'fits its schema')
  t.equal(readFileSync(Store.open(store).blobPath(digests[0]), 'utf8'), body, 'the store has it')

  const [, two] = await parse('FROM a\nCOPY <<A <<B /x/\n12345\nA\n1234\nB\n')
  t.match(two?.heredocs, [{ content: '12345\n' }, { digest: digests[1] }], 'the limit is of an instruction')
  const raw = Buffer.from('FROM a\nCOPY <<A /x\n\xe9123456789\nA\n', 'latin1')
  t.match((await parse(raw))[1]?.heredocs, [{ size: 11, contentRaw: undefined }], 'of any bytes')

  const onbuild = 'FROM a\nONBUILD COPY <<E /x\n1234567890\nE\n'
  await t.rejects(parse(onbuild), { code: 'DOCKERFILE_INVALID', message: /D:2:1: .*ONBUILD is too long/ })
  await t.rejects(parse(text, { env: {} }), { code: 'STORE_UNKNOWN' }, 'nobody says where the store is')
  const early = 'FROM a\nCOPY <<E /x\n1234567890\nE\nRUM x\n'
  await t.rejects(
    parse(early, { store: `${store}2` }),
    { message: /unknown instruction/ },
    'what is wrong comes first',
  )
  t.notOk(existsSync(`${store}2`), 'and leaves nothing')
})

t.test('what is wrong with a file', async t => {
  const dir = t.testdir({ empty: '', late: 'FROM a\nRUN b\nRUM c\n', Kubefile: 'FROM a\nCOPY b\n' })
  writeFileSync(path.join(dir, 'latin1'), Buffer.from('FROM a\nLABEL b=\xe9\n', 'latin1'))
  mkdirSync(path.join(dir, 'folder'))
  const rows: readonly { file: string; code: string; message: RegExp }[] = [
    { file: 'empty', code: 'DOCKERFILE_INVALID', message: /empty:1:1: no instruction/ },
    { file: 'late', code: 'DOCKERFILE_INVALID', message: /late:3:1: unknown instruction "RUM"/ },
    { file: 'latin1', code: 'DOCKERFILE_INVALID', message: /latin1:2:9: byte 0xe9 is not UTF-8/ },
    { file: 'Kubefile', code: 'KUBEFILE_INVALID', message: /Kubefile:2:1: COPY takes/ },
    { file: 'missing', code: 'ENOENT', message: /cannot read .*missing": no such file/ },
    { file: 'folder', code: 'EISDIR', message: /it is a directory/ },
  ]
  for (const { file, code, message } of rows) {
    const output = kfParse(path.join(dir, file), NOTHING)
    await t.rejects(output.next(), { code, message, status: 1 }, `${file}: no record before the error`)
  }
  const endless = Readable.from(chunks(257))
  await t.rejects(kfParse('-', { stdin: endless }).next(), { code: 'FILE_TOO_LARGE' }, 'not read to its end')
})

/** The input in chunks of 1 MiB. */
function* chunks(count: number): Generator<Buffer, void, void> {
  const chunk = Buffer.alloc(1024 * 1024, '#\n')
  for (let i = 0; i < count; i++) yield chunk
}
