import fs from 'node:fs'
import t from 'tap'
import { attempt, errnoOf, messageOf, systemError, ToolError } from '../src/index.js'

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
