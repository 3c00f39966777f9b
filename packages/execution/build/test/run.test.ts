// What surrounds the command of a RUN: secrets that are given to it, lines that it writes.
import path from 'node:path'
import t from 'tap'
import { parseSecret } from '../src/secrets.js'
import { LineSplitter } from '../src/step-output.js'

t.test('secrets of the command line', async t => {
  const dir = t.testdir({ f: 's' })
  const file = path.join(dir, 'f')
  const rows: readonly [text: string, want: object | string, why: string][] = [
    [`id=s,src=${file}`, { file }, 'a file'],
    [`id=s,source=${file},type=file`, { file }, 'by its long name'],
    ['id=s,env=NAME', { env: 'NAME' }, 'a variable, which may be set later'],
    ['type=env,id=s,src=NAME', { env: 'NAME' }, 'a variable, as docker build has it, too'],
    ['id=NAME', { env: 'NAME' }, 'the variable of its name'],
    [`id=${file}`, { file }, 'else the file of its name'],
    ['id=missing', 'SECRET_MISSING', 'there is neither'],
    ['id=s,src=/missing', 'SECRET_MISSING', 'no such file'],
    [`src=${file}`, 'OPTION_INVALID', 'no id'],
    ['id=,env=X', 'OPTION_INVALID', 'an empty one'],
    ['id=s,env=X,mode=0400', 'OPTION_INVALID', 'a key that means nothing'],
    ['id=s,type=vault', 'OPTION_INVALID', 'a type that means nothing'],
    ['s', 'OPTION_INVALID', 'no key'],
  ]
  for (const [text, want, why] of rows)
    if (typeof want === 'string') t.throws(() => parseSecret(text, { NAME: 'v' }), { code: want }, why)
    else t.same(parseSecret(text, { NAME: 'v' })[1], want, why)
})

t.test('bytes into lines', async t => {
  const rows: readonly [chunks: readonly string[], want: readonly string[], why: string][] = [
    [[], [], 'nothing'],
    [['a\nb\n'], ['a', 'b'], 'two in one chunk'],
    [['a', 'b', '\n', 'c'], ['ab', 'c'], 'one in several, and what has no newline'],
    [['\n\n'], ['', ''], 'empty ones'],
    [
      ['x'.repeat(150_000), '\ny\n'],
      ['x'.repeat(65_536), 'x'.repeat(65_536), 'x'.repeat(18_928), 'y'],
      'a long one',
    ],
  ]
  for (const [chunks, want, why] of rows) {
    const lines: string[] = []
    const splitter = new LineSplitter(taken => void lines.push(...taken.toString().split('\n')))
    for (const chunk of chunks) splitter.add(Buffer.from(chunk))
    splitter.end()
    t.same(lines, want, why)
  }
})
