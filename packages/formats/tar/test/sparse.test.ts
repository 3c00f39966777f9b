import t from 'tap'
import {
  eventsOf,
  extension,
  file,
  gnuSparse,
  list,
  octal,
  raw,
  sparse00,
  sparse01,
  sparse10,
} from './archives.js'

t.test('sparse files', async t => {
  const pieces = [2, 'AB', 600, 'CD'] as const
  const whole = `\0\0AB${'\0'.repeat(596)}CD${'\0'.repeat(98)}`
  const old = raw({ name: 's', flag: 'S', body: 'ABCD', gnu: true, extra: gnuSparse([2, 2, 600, 2], 700) })
  const rows: [string, Buffer[], string | undefined, string][] = [
    ['old GNU', [old], whole, 'four pairs in the header'],
    [
      'PAX 0.0',
      [raw({ flag: 'x', body: sparse00([2, 2, 600, 2], 700) }), file('s', 'ABCD')],
      whole,
      'repeated keys',
    ],
    [
      'PAX 0.1',
      [raw({ flag: 'x', body: sparse01('s', '2,2,600,2', 2, 700) }), file('s', 'ABCD')],
      whole,
      'one list',
    ],
    [
      'PAX 1.0',
      [raw({ flag: 'x', body: sparse10(700) }), file('s', `${'2\n2\n2\n600\n2\n'.padEnd(512, '\0')}ABCD`)],
      whole,
      'in the content',
    ],
    [
      'all hole',
      [raw({ flag: 'x', body: sparse01('s', '700,0', 1, 700) }), file('s', '')],
      '\0'.repeat(700),
      'no data',
    ],
    [
      'overlap',
      [raw({ flag: 'x', body: sparse01('s', '2,2,3,2', 2, 700) }), file('s', 'ABCD')],
      undefined,
      'two answers for a byte',
    ],
    [
      'past the end',
      [raw({ flag: 'x', body: sparse01('s', '2,2,699,2', 2, 700) }), file('s', 'ABCD')],
      undefined,
      'longer than its size',
    ],
    [
      'unsorted',
      [raw({ flag: 'x', body: sparse01('s', '600,2,2,2', 2, 700) }), file('s', 'ABCD')],
      undefined,
      'order',
    ],
    [
      'too little',
      [raw({ flag: 'x', body: sparse01('s', '2,2,600,2', 2, 700) }), file('s', 'ABC')],
      undefined,
      'would eat the next header',
    ],
    [
      'too much',
      [raw({ flag: 'x', body: sparse01('s', '2,2,600,2', 2, 700) }), file('s', 'ABCDE')],
      undefined,
      'bytes that no one sees',
    ],
    [
      'count',
      [raw({ flag: 'x', body: sparse01('s', '2,2', 2, 700) }), file('s', 'ABCD')],
      undefined,
      'half a map',
    ],
    [
      'no number',
      [raw({ flag: 'x', body: sparse01('s', '2,2,+600,2', 2, 700) }), file('s', 'ABCD')],
      undefined,
      'digits only',
    ],
    [
      'million pieces',
      [raw({ flag: 'x', body: sparse10(700) }), file('s', '1048577\n'.padEnd(512, '\0'))],
      undefined,
      'memory; CVE-2025-58183',
    ],
    [
      'endless map',
      [raw({ flag: 'x', body: sparse10(700) }), file('s', '9\n0\n'.padEnd(512, '1'))],
      undefined,
      'a line without end',
    ],
    ['map alone', [raw({ flag: 'x', body: sparse10(700) }), file('s', '5\n')], undefined, 'no room for it'],
    [
      'directory',
      [raw({ flag: 'x', body: sparse01('s', '700,0', 1, 700) }), raw({ name: 'd', flag: '5' })],
      undefined,
      'has no content',
    ],
    [
      'S in ustar',
      [raw({ name: 's', flag: 'S', body: 'ABCD', extra: gnuSparse([2, 2, 600, 2], 700) })],
      undefined,
      'no map there',
    ],
  ]
  for (const [name, parts, want, why] of rows) {
    const bytes = Buffer.concat([...parts, file('next', 'n')])
    if (want === undefined) t.throws(() => list(bytes), { code: 'TAR_INVALID' }, `${name}: ${why}`)
    else {
      const [first, next] = list(bytes)
      t.match(first, { entry: { name: 's', type: 'file', size: 700 }, content: want }, `${name}: ${why}`)
      t.match(next, { entry: { name: 'next' }, content: 'n' }, `${name}: what follows stands where it should`)
    }
  }
  const events = eventsOf(Buffer.concat([old]), { holes: 'events' }).map(event =>
    event.type === 'hole' ? event.size : event.type === 'data' ? String(event.bytes) : event.type,
  )
  t.same(events, ['entry', pieces[0], pieces[1], 596, pieces[3], 98, 'end'], 'holes are told, not filled')
})

t.test('old GNU sparse map in extension blocks', async t => {
  const pairs = Array.from({ length: 40 }, (_, i) => [i * 10, 1]).flat()
  const blocks = [
    gnuSparse(pairs.slice(0, 8), 400, true),
    extension(pairs.slice(8, 50), true),
    extension(pairs.slice(50), false),
  ]
  const header = raw({ name: 's', flag: 'S', sizeField: octal(40, 12), gnu: true, extra: blocks[0] })
  const body = Buffer.alloc(512)
  body.fill('x', 0, 40)
  const [first] = list(
    Buffer.concat([
      header,
      Buffer.from(blocks[1] ?? '', 'latin1'),
      Buffer.from(blocks[2] ?? '', 'latin1'),
      body,
    ]),
  )
  t.equal(first?.content, `x${'\0'.repeat(9)}`.repeat(40))
})
