import type { AnyRecord } from '@pipelayer/records'
import t from 'tap'
import { formatTable, sizeText, tableForm, widthOf } from '../src/table.js'

t.test('columns are as wide as their widest cell is on a terminal', async t => {
  const columns = [{ head: 'NAME' }, { head: 'SIZE', align: 'right' }] as const
  const rows: readonly { rows: readonly (readonly string[])[]; lines: readonly string[]; why: string }[] = [
    { rows: [], lines: ['NAME   SIZE'], why: 'heads alone' },
    {
      rows: [
        ['a', '1B'],
        ['longer', '12.3MB'],
      ],
      lines: ['NAME       SIZE', 'a            1B', 'longer   12.3MB'],
      why: 'numbers stand at the right',
    },
    {
      rows: [
        ['日本', '1B'],
        ['abcd', '2B'],
      ],
      lines: ['NAME   SIZE', '日本     1B', 'abcd     2B'],
      why: 'a wide character takes two columns',
    },
    {
      rows: [['a\nb', '1B']],
      lines: ['NAME     SIZE', 'a\\x0ab     1B'],
      why: 'a line end in a cell is escaped',
    },
    { rows: [['a']], lines: ['NAME   SIZE', 'a'], why: 'a missing cell is empty, and no blanks end a line' },
  ]
  for (const { rows: cells, lines, why } of rows)
    t.equal(formatTable(columns, cells), `${lines.join('\n')}\n`, why)
})

t.test('the width of a text is that on a terminal', async t => {
  const rows: readonly [text: string, width: number, why: string][] = [
    ['', 0, 'nothing'],
    ['abc', 3, 'ASCII'],
    ['ä', 1, 'a letter beyond ASCII'],
    ['a\u0308', 1, 'a combining mark takes no column'],
    ['\u200b', 0, 'a zero width space'],
    ['한글', 4, 'Hangul'],
    ['🙂', 2, 'an emoji'],
    ['👩‍👩‍👧', 2, 'several joined code points are one emoji'],
  ]
  for (const [text, width, why] of rows) t.equal(widthOf(text), width, why)
})

t.test('sizes have three digits and units of 1000, as docker shows them', async t => {
  const rows: readonly [bytes: number, text: string][] = [
    [0, '0B'],
    [999, '999B'],
    [1000, '1kB'],
    [1234, '1.23kB'],
    [77_812_345, '77.8MB'],
    [999_499, '999kB'],
    [999_500, '1MB'],
    [1_230_000_000, '1.23GB'],
    [5e12, '5TB'],
    [9e21, '9000EB'],
  ]
  for (const [bytes, text] of rows) t.equal(sizeText(bytes), text, `${bytes}`)
})

t.test('records become a table when the last of them has come', async t => {
  const form = tableForm({
    columns: [{ head: 'A' }],
    row: record => (record.type === 'a' ? [String(record.name)] : undefined),
    below: () => 'one\n',
  })
  const end: AnyRecord = { type: 'end' }
  t.equal(form.record({ type: 'a', name: 'x' }), '', 'a row waits for the others')
  t.equal(form.record({ type: 'b' }), '', 'a record that is not shown')
  t.equal(form.end(end), 'A\nx\none\n')
  const empty = tableForm({ columns: [{ head: 'A' }], row: () => undefined })
  t.equal(empty.end(end), '', 'no heads where there is no row')
})
