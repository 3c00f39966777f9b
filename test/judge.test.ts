// Tests a basis of scripts/judge: rows are read without loss.
import path from 'node:path'
import { ROOT } from '@pipelayer/testkit'
import t from 'tap'

t.test('rows keep integers that a double cannot hold', async t => {
  const { parseLossless } = await import(path.join(ROOT, 'scripts/judge-rows.mjs'))
  const rows = [
    { text: '{"a":9223372036854775807}', value: { a: 9223372036854775807n }, why: 'above 2^53' },
    { text: '{"a":-9223372036854775808}', value: { a: -9223372036854775808n }, why: 'below -2^53' },
    {
      text: '{"a":9007199254740991}',
      value: { a: 9007199254740991 },
      why: 'the largest safe integer is a number',
    },
    { text: '{"a":"9223372036854775807"}', value: { a: '9223372036854775807' }, why: 'a string stays one' },
    {
      text: '{"a\\"1":[1.5,1e3,-2]}',
      value: { 'a"1': [1.5, 1000, -2] },
      why: 'fractions, exponents, escapes in keys',
    },
    {
      text: '{"n":"12345678901234567890 \\\\"}',
      value: { n: '12345678901234567890 \\' },
      why: 'digits inside a string',
    },
  ]
  for (const { text, value, why } of rows) t.strictSame(parseLossless(text), value, why)
})
