// What --secret says.

import path from 'node:path'
import t from 'tap'
import { parseSecret } from '../src/secrets.js'

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
