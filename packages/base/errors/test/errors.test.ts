import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import t from 'tap'
import { attempt, errnoOf, messageOf, systemError, ToolError, visible, visibleJson } from '../src/index.js'

t.test('ToolError', async t => {
  const cause = new Error('why')
  const plain = new ToolError('NOT_GOOD', 'cannot do that')
  t.same([plain.code, plain.status, plain.message, plain.cause], ['NOT_GOOD', 1, 'cannot do that', undefined])
  t.notOk('cause' in plain, 'no empty cause')
  t.match(new ToolError('NOT_GOOD', 'm', { cause, status: 75 }), { status: 75, cause })
})

t.test('systemError(): what failed, on what, why', async t => {
  const of = (code: string, message = `${code}: text, open 'x'`) =>
    Object.assign(new Error(message), { code })
  const rows: [code: string, status: number, message: RegExp, why: string][] = [
    ['ENOENT', 1, /^cannot read "x": no such file or directory$/, 'trying again does not help'],
    ['EACCES', 1, /permission denied/, 'nor here'],
    ['ENOSPC', 75, /no space left on device/, 'making room may help'],
    ['EDQUOT', 75, /quota/, 'as does a quota'],
    ['EMFILE', 75, /too many open files/, 'a limit of the system'],
    ['ECONNREFUSED', 75, /^cannot read "x": text, open 'x'$/, "the system's own words, without the code"],
    ['ELOOP', 1, /text/, 'any other code'],
  ]
  for (const [code, status, message, why] of rows)
    t.match(systemError(of(code), 'read "x"'), { code, status, message }, `${code}: ${why}`)
  const others = [
    new TypeError('bug'),
    of('ERR_INVALID_ARG_TYPE'),
    new ToolError('ENOENT', 'wrapped'),
    'text',
    undefined,
  ]
  for (const other of others)
    t.equal(systemError(other, 'x'), other, 'what is not of the system stays as it is')
  t.equal(errnoOf(of('ENOENT')), 'ENOENT')
  t.equal(errnoOf(new ToolError('ENOENT', 'wrapped')), undefined, 'an error is explained once')
})

t.test('attempt() and messageOf()', async t => {
  t.equal(
    attempt('add', () => 1 + 1),
    2,
  )
  t.throws(() => attempt('read "/nowhere"', () => fs.readFileSync('/nowhere')), {
    code: 'ENOENT',
    message: 'cannot read "/nowhere": no such file or directory',
    cause: { syscall: 'open' },
  })
  t.equal(messageOf(new Error('a\n  b')), 'a; b', 'one line')
  t.equal(messageOf('text'), 'text')
})

t.test('visible(): what people may see of the text of others', async t => {
  const rows: [text: string, shown: string, why: string][] = [
    ['plain, ünï, 中文, עברית', 'plain, ünï, 中文, עברית', 'letters of any direction stay'],
    ['a\x1b[1m\n\x7f\x9b', 'a\\x1b[1m\\x0a\\x7f\\x9b', 'what a terminal obeys'],
    ['gpj.\u202eexe', 'gpj.\\u202eexe', 'a name that would be shown the other way round'],
    ['a\u2028b', 'a\\u2028b', 'a separator of lines'],
    ['👩\u200d💻', '👩\u200d💻', 'a joiner is part of a character'],
  ]
  for (const [text, shown, why] of rows) t.equal(visible(text), shown, why)
  const isUnseen = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u
  const left: string[] = []
  for (let code = 0; code <= 0x10ffff; code++) {
    const c = String.fromCodePoint(code)
    if (isUnseen.test(c) && visible(c) === c) left.push(code.toString(16))
  }
  t.same(left, [], 'all controls that Unicode has')
  const json = JSON.stringify({ a: 'x\x1b\x9b\u202e' })
  t.equal(visibleJson(`${json}\n`), '{"a":"x\\u001b\\u009b\\u202e"}\n')
  t.same(JSON.parse(visibleJson(json)), JSON.parse(json), 'the same document')
})

t.test('a NUL that came from outside', async t => {
  const rows: [why: string, work: () => unknown][] = [
    ['a path', () => fs.statSync('a\0b')],
    ['a path as bytes', () => fs.statSync(Buffer.from('a\0b'))],
    ['an argument', () => spawnSync('/bin/true', ['a\0b'])],
    ['a variable', () => spawnSync('/bin/true', { env: { A: 'a\0b' } })],
  ]
  for (const [why, work] of rows)
    t.throws(
      () => attempt('do it', work),
      { code: 'NUL_BYTE', status: 1, message: /^cannot do it: .* has a NUL byte, which no name can hold$/ },
      why,
    )
})
