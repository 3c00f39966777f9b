// The stage by tables: files and stdin, names and dialects, stages, bad input.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { collect, recordError } from '@pipelayer/records'
import t from 'tap'
import { type KfParseOptions, kfParse } from '../src/index.js'

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

t.test('a byte at a time', async t => {
  const bytes = Buffer.from('FROM a\nLABEL x="é"\n')
  const stdin = Readable.from([...bytes].map(byte => Buffer.of(byte)))
  t.match((await collect(kfParse('-', { stdin })))[1], { args: ['x', '"é"', '='] })
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
  const endless = Readable.from(chunks(65))
  await t.rejects(kfParse('-', { stdin: endless }).next(), { code: 'FILE_TOO_LARGE' }, 'not read to its end')
})

/** Chunks of a mebibyte. */
function* chunks(count: number): Generator<Buffer, void, void> {
  const chunk = Buffer.alloc(1024 * 1024, '#')
  for (let i = 0; i < count; i++) yield chunk
}
