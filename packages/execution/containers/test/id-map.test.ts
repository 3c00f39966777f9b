// Which ids a user namespace gets.

import t from 'tap'
import { holdsID, mapOf, parseSubIDs } from '../src/id-map.js'

t.test('ranges of a user', async t => {
  const rows: readonly [text: string, want: readonly (readonly number[])[], why: string][] = [
    ['', [], 'an empty file'],
    ['joe:100:5', [[100, 5]], 'by name, no line end'],
    [
      '7:100:5\njoe:200:6\n',
      [
        [100, 5],
        [200, 6],
      ],
      'by number and by name, in order',
    ],
    ['ann:100:5\n77:1:2\njoey:1:2\n', [], 'those of others'],
    ['#joe:1:2\n# joe\n\n', [], 'comments and empty lines'],
    ['joe:100\njoe:a:5\njoe:1:2:3\njoe:-1:5\n', [], 'what is no such line'],
    ['joe:100:0\njoe:4294967295:1\njoe:1:99999999999\n', [], 'ids that no system has'],
    ['joe:100:5 \r\n', [[100, 5]], 'blanks behind'],
  ]
  for (const [text, want, why] of rows) t.same(parseSubIDs(text, { id: 7, name: 'joe' }), want, why)
  t.same(parseSubIDs('undefined:1:2\n:1:2\n7:3:4\n', { id: 7 }), [[3, 4]], 'a user without a name')
})

t.test('the map', async t => {
  const whole = [[0, 0, 2 ** 32 - 1]] as const
  const held = [
    [0, 1000, 1],
    [1, 5000, 500],
  ] as const
  const rows: readonly [...Parameters<typeof mapOf>, want: readonly (readonly number[])[], why: string][] = [
    [7, [], whole, [[0, 7, 1]], 'no ranges: one id'],
    [
      7,
      [
        [100, 5],
        [50, 6],
      ],
      whole,
      [
        [0, 7, 1],
        [1, 100, 5],
        [6, 50, 6],
      ],
      'one after the other',
    ],
    [
      7,
      [
        [100, 5],
        [104, 5],
        [95, 5],
      ],
      whole,
      [
        [0, 7, 1],
        [1, 100, 5],
        [6, 95, 5],
      ],
      'one that meets an earlier one',
    ],
    [7, [[5, 5]], whole, [[0, 7, 1]], 'one that holds the user itself, which the kernel refuses'],
    [
      3,
      [
        [100, 50],
        [490, 50],
      ],
      held,
      [
        [0, 3, 1],
        [1, 100, 50],
      ],
      'only what the namespace around us has',
    ],
    [
      0,
      [
        [1, 2 ** 32 - 2],
        [5, 5],
      ],
      whole,
      [
        [0, 0, 1],
        [1, 1, 2 ** 32 - 2],
      ],
      'no more than there are',
    ],
  ]
  for (const [own, ranges, parent, want, why] of rows) t.same(mapOf(own, ranges, parent), want, why)
  t.same(
    [0, 1, 500, 501].map(id => holdsID(held, id)),
    [true, true, true, false],
  )
  const many = Array.from({ length: 500 }, (_, index) => [300_000 + index * 300, 200] as const)
  const text = mapOf(7, many, whole).map(row => `${row.join(' ')}\n`)
  t.ok(text.join('').length < 4096 && text.length > 200, 'what the kernel takes in one write')
  t.equal(
    mapOf(
      0,
      many.map((_, index) => [index * 2 + 1, 1] as const),
      whole,
    ).length,
    340,
    'not more rows',
  )
})
