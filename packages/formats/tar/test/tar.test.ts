import { createHash } from 'node:crypto'
import t from 'tap'
import {
  END_BLOCKS,
  encodeHeader,
  formatPaxRecord,
  formatPaxTime,
  parsePaxTime,
  type TarEntry,
  TarParser,
} from '../src/index.js'
import {
  BASE,
  base256,
  binary,
  eventsOf,
  file,
  joined,
  type Listed,
  list,
  octal,
  raw,
  reassembled,
  sparse01,
} from './archives.js'

t.test('headers equal those of Go archive/tar, byte for byte', async t => {
  // umoci 0.4.7 (`umoci insert --image img:a tree /`), sha256 of each entry's header blocks. tree was made by: echo big > bigid;
  // chown 3000000:4000000 bigid; chmod 4755 bigid; ln bigid hard; ln -s yyy..(150) lnk; mknod dev c 5 1; mkdir d qqq..(101);
  // echo q > t2040; setfattr -n user.foo -v 0x80ff00 t2040; touch t1960; chmod 0 t1960; echo u > ünï; touch -h -d @1700000000 *;
  // touch -d @2208988800 t2040; touch -d '1960-01-01 00:00:00Z' t1960.
  const mtime = { seconds: 1_700_000_000, nanoseconds: 0 }
  const big = { ...BASE, mtime, mode: 0o4755, uid: 3_000_000, gid: 4_000_000 }
  const x = new Map([['user.foo', Buffer.from([0x80, 0xff, 0])]])
  const rows: [TarEntry, string][] = [
    [
      { ...big, name: 'bigid', type: 'file', size: 4 },
      '7d24f2d15976f0c2c6ca801a1d77fa3af5ea833617c5cf1c19a00a4c9a8ec647',
    ],
    [
      { ...big, name: 'hard', type: 'hardlink', linkname: 'bigid' },
      '8be0a3fa4b43e0a510f3b31bce7f545b3500dbca6fcbbcaf247650cfe65d88b9',
    ],
    [
      { ...BASE, mtime, name: 'd', type: 'dir', mode: 0o755 },
      '07f09e3a93407bf4bbb574cba44be80bddbbab11c17082b14d4643dce3fa4b0a',
    ],
    [
      { ...BASE, mtime, name: 'dev', type: 'char', devmajor: 5, devminor: 1 },
      '4ae345bf003cd9bd07d03ca8868c2fec62abff496ff38578afa5d817a80c40ae',
    ],
    [
      { ...BASE, mtime, name: 'lnk', type: 'symlink', mode: 0o777, linkname: 'y'.repeat(150) },
      '9b4eb45297a4a20942f41ea1892ea90e803210cd4c93607d2e404da19430ff07',
    ],
    [
      { ...BASE, mtime, name: `${'q'.repeat(101)}/`, type: 'dir', mode: 0o755 },
      'a3d9d7e2120aeebee8a83da4cdbc2a89914f2fdf4101bee74e1afbd912013905',
    ],
    [
      { ...BASE, name: 't1960', type: 'file', mode: 0, mtime: { seconds: -315_619_200, nanoseconds: 0 } },
      '0319934b1e332a1c1861b3d901b82f0f1f5f3c7e3060433a6087ec8304adae7a',
    ],
    [
      {
        ...BASE,
        name: 't2040',
        type: 'file',
        size: 2,
        mtime: { seconds: 2_208_988_800, nanoseconds: 0 },
        xattrs: x,
      },
      '2ffb698bc48e146490ce8c0f275b58489a411d49488d569106b6eef65159d09c',
    ],
    [
      { ...BASE, mtime, name: binary('ünï'), type: 'file', size: 2 },
      '16027ba835601a22add89b4252f2c9742210fae9bfad2e61e88d8735fd46ad2d',
    ],
  ]
  for (const [entry, sha256] of rows) {
    t.equal(createHash('sha256').update(encodeHeader(entry)).digest('hex'), sha256, entry.name)
  }
})

t.test('what no header can hold is refused', async t => {
  const rows: [Partial<TarEntry>, string][] = [
    [{ name: 'a\0b' }, 'a NUL would cut the name'],
    [{ type: 'symlink', linkname: 'a\0b' }, 'or the target'],
    [{ type: 'char', devmajor: 0o10000000 }, 'PAX has no record for devices'],
    [{ type: 'other' }, 'no flag for it'],
    [{ size: -1 }, 'negative size'],
    [{ size: 2 ** 53 }, 'a size that is not exact'],
    [{ uid: 1.5 }, 'half a user'],
    [{ xattrs: new Map([['user.a=b', Buffer.from('x')]]) }, '"=" ends a PAX key'],
    [{ xattrs: new Map([['user.a', Buffer.alloc(1 << 20)]]) }, 'over the 1 MiB that readers take'],
  ]
  for (const [part, why] of rows) {
    t.throws(
      () => encodeHeader({ ...BASE, name: 'f', type: 'file', ...part }),
      { code: 'TAR_UNREPRESENTABLE' },
      why,
    )
  }
})

t.test('hostile and broken archives', async t => {
  const pax = (text: string, flag = 'x'): Buffer => raw({ flag, body: text })
  const rows: [string, Buffer[], string | string[], string][] = [
    ['checksum', [Buffer.from(file('a', '')).fill('z', 0, 1)], 'TAR_INVALID', 'a header that was changed'],
    [
      'negative size',
      [raw({ name: 'a', sizeField: base256(-1n, 12) })],
      'TAR_INVALID',
      'would read backwards',
    ],
    [
      'negative pax size',
      [pax(formatPaxRecord('size', '-1')), file('a', '')],
      'TAR_INVALID',
      'the same by PAX',
    ],
    [
      'negative x size',
      [raw({ flag: 'x', sizeField: base256(-512n, 12) })],
      'TAR_INVALID',
      'the same in a PAX header',
    ],
    [
      'base-256 overflow',
      [raw({ name: 'a', sizeField: '\xff'.repeat(1) + '\x00'.repeat(11) })],
      'TAR_INVALID',
      'over 63 bits',
    ],
    [
      'size 2^53',
      [raw({ name: 'a', sizeField: base256(2n ** 53n, 12) })],
      'TAR_INVALID',
      'inexact as a double',
    ],
    [
      'pax size 2^53',
      [pax(formatPaxRecord('size', '9007199254740992')), file('a', '')],
      'TAR_INVALID',
      'inexact',
    ],
    ['octal', [raw({ name: 'a', sizeField: '0000000009\0\0' })], 'TAR_INVALID', '9 is no octal digit'],
    ['pax without newline', [pax('9 path=ab'), file('a', '')], 'TAR_INVALID', 'malformed record'],
    ['pax too long', [pax('99 path=ab\n'), file('a', '')], 'TAR_INVALID', 'record longer than its header'],
    ['pax no equals', [pax('9 pathab\n'), file('a', '')], 'TAR_INVALID', 'malformed record'],
    ['pax no key', [pax('6 =ab\n'), file('a', '')], 'TAR_INVALID', 'malformed record'],
    ['pax no length', [pax(' path=ab\n'), file('a', '')], 'TAR_INVALID', 'malformed record'],
    ['pax short', [pax('4 a=\n'), file('a', '')], 'TAR_INVALID', 'length smaller than any record'],
    [
      'pax NUL path',
      [pax('12 path=a\0b\n'), file('a', '')],
      'TAR_INVALID',
      'GHSA-gvwx-54wh-qm9j: readers in C cut it',
    ],
    [
      'pax NUL link',
      [pax('16 linkpath=a\0b\n'), raw({ flag: '2', name: 'l', link: 'x' })],
      'TAR_INVALID',
      'the same',
    ],
    ['pax NUL key', [pax('8 a\0b=c\n'), file('a', '')], 'TAR_INVALID', 'cut as well'],
    [
      'pax NUL sparse name',
      [pax(`${sparse01('a\0b')}`), file('a', '')],
      'TAR_INVALID',
      'a path by another key',
    ],
    ['pax uid', [pax(formatPaxRecord('uid', 'root')), file('a', '')], 'TAR_INVALID', 'not a number'],
    ['pax mtime', [pax(formatPaxRecord('mtime', '1e9')), file('a', '')], 'TAR_INVALID', 'not a decimal'],
    ['pax over 1 MiB', [raw({ flag: 'x', sizeField: octal((1 << 20) + 1, 12) })], 'TAR_INVALID', 'memory'],
    ['long name over 1 MiB', [raw({ flag: 'L', sizeField: octal(1 << 30, 12) })], 'TAR_INVALID', 'memory'],
    ['dangling x', [pax('9 path=b\n')], 'TAR_TRUNCATED', 'a header that belongs to nothing'],
    [
      'dangling L',
      [raw({ flag: 'L', body: 'long\0' }), END_BLOCKS],
      'TAR_TRUNCATED',
      'the same, before the end',
    ],
    [
      'x before g',
      [pax('9 path=b\n'), pax('9 path=c\n', 'g'), file('a', '')],
      'TAR_INVALID',
      'readers differ: drop or keep it',
    ],
    ['lone zero block', [Buffer.alloc(512), file('a', '')], 'TAR_INVALID', 'readers differ: end or go on'],
    [
      'junk after a zero block',
      [file('a', ''), Buffer.alloc(512), Buffer.alloc(512, 'j')],
      ['a'],
      'plexus-archiver writes a newline there',
    ],
    [
      'digits after a NUL',
      [raw({ name: 'a', sizeField: '\0\0\0\x000016\0' })],
      'TAR_INVALID',
      '14 for Go, 0 for libarchive',
    ],
    ['zeros after a NUL', [raw({ name: 'a', sizeField: '\0\0\0\x000000\0' })], ['a'], '0 for all'],
    ['no version', [raw({ name: 'a', magic: 'ustar\0' })], ['a'], 'plexus-archiver leaves it out'],
    ['no name', [raw({ name: '' })], 'TAR_INVALID', 'a file without a name'],
    [
      'no name of a symlink',
      [raw({ name: '', flag: '2', link: 'x' })],
      'TAR_INVALID',
      'would replace the root',
    ],
    [
      'no name of a directory',
      [raw({ name: '', flag: '5' }), file('a', '')],
      ['', 'a'],
      'the root, as GNU tar',
    ],
    ['symlink without target', [raw({ name: 'l', flag: '2' })], 'TAR_INVALID', 'cannot be made'],
    ['hard link without target', [raw({ name: 'l', flag: '1' })], 'TAR_INVALID', 'cannot be made'],
    ['cut in header', [file('a', '').subarray(0, 300)], 'TAR_TRUNCATED', ''],
    ['cut in pax', [pax('9 path=b\n').subarray(0, 700)], 'TAR_TRUNCATED', ''],
    ['cut in data', [file('a', 'hello').subarray(0, 515)], 'TAR_TRUNCATED', ''],
    ['cut after header', [file('a', 'hello').subarray(0, 512)], 'TAR_TRUNCATED', ''],
    ['half an end', [file('a', ''), Buffer.alloc(700)], 'TAR_TRUNCATED', ''],
    ['cut in padding', [file('a', 'hello').subarray(0, 600)], ['a'], 'as Go: the content is whole'],
    ['no padding, no end', [file('a', 'hello').subarray(0, 517)], ['a'], 'umoci 0.4.7 writes this'],
    ['no end', [file('a', 'hello')], ['a'], 'as Go and GNU tar'],
    ['one zero block', [file('a', ''), Buffer.alloc(512)], ['a'], 'as Go and GNU tar'],
    ['nothing', [], [], 'an empty archive'],
    ['after the end', [file('a', ''), END_BLOCKS, file('b', ''), Buffer.from('x')], ['a'], 'ignored, as Go'],
    [
      'pax size wins',
      [
        pax(formatPaxRecord('size', '512')),
        raw({ name: 'a', sizeField: octal(0, 12) }),
        file('in', ''),
        file('b', ''),
      ],
      ['a', 'b'],
      'CVE-2025-62518: the header in the content is content',
    ],
    [
      'x then x',
      [pax('9 path=b\n'), pax('8 uid=7\n'), file('a', '')],
      ['a'],
      'the second replaces the first, as Go',
    ],
    [
      'x then L',
      [pax('9 path=b\n'), raw({ flag: 'L', body: 'c\0' }), file('a', ''), file('d', '')],
      ['c', 'd'],
      'L wins, and only for the next entry',
    ],
    ['L NUL', [raw({ flag: 'L', body: 'c\0d\0' }), file('a', '')], ['c'], 'ended by its NUL, as Go'],
    ['numeric path', [pax('14 path=12345\n'), file('a', '')], ['12345'], 'node-tar crashed on it'],
    ['empty value', [pax('8 path=\n'), file('a', '')], ['a'], 'takes nothing back from the header'],
    ['global', [pax('13 path=oops\n', 'g'), file('a', '')], ['a'], 'reported, not applied, as Docker'],
    ['v7 directory', [raw({ name: 'd/', flag: '\0', magic: '' })], ['d/'], 'by its slash'],
    ['signed checksum', [raw({ name: 'ü', signed: true })], ['ü'], 'old Sun tar'],
    [
      'header-only sizes',
      [raw({ name: 'd/', flag: '5', sizeField: octal(512, 12) }), file('a', '')],
      ['d/', 'a'],
      'as Go and Python',
    ],
  ]
  for (const [name, parts, want, why] of rows) {
    const bytes = Buffer.concat(parts)
    if (typeof want === 'string') {
      t.throws(() => list(bytes), { code: want }, `${name}: ${why}`)
      continue
    }
    t.same(
      list(bytes).map(({ entry }) => entry.name),
      want,
      `${name}: ${why}`,
    )
    // Padding that is cut short once gave no event.
    for (const step of [bytes.length, 1])
      t.ok(reassembled(bytes, step || 1).equals(bytes), `${name}: every byte`)
  }
  t.throws(
    () => list(Buffer.concat([file('first', ''), file('sécond', 'x').subarray(0, 512)])),
    /at byte 512, entry "sécond"/,
  )
})

t.test('a long header byte by byte takes time in proportion to it', async t => {
  // Reading 1 MiB of this once took more than four minutes.
  const bytes = Buffer.concat([
    raw({ flag: 'x', body: formatPaxRecord('comment', 'x'.repeat((1 << 20) >> 1)) }),
    file('a', ''),
  ])
  t.same(
    joined(eventsOf(bytes, {}, 1)).map(each => (each as Listed).entry.name),
    ['a'],
  )
})

t.test('after an error every call throws it again', async t => {
  const parser = new TarParser()
  t.throws(() => [...parser.push(Buffer.alloc(512, 'x'))], { code: 'TAR_INVALID' })
  t.throws(() => [...parser.push(file('a', ''))], { code: 'TAR_INVALID' })
  t.throws(() => parser.finish(), { code: 'TAR_INVALID' })
})

t.test('PAX times', async t => {
  const rows: [string, number, number, string][] = [
    ['0', 0, 0, '0'],
    ['-0', 0, 0, '0'],
    ['1.5', 1, 500_000_000, '1.5'],
    ['-1.5', -2, 500_000_000, '-1.5'],
    ['-0.000000001', -1, 999_999_999, '-0.000000001'],
    ['1.0000000019', 1, 1, '1.000000001'],
    ['7.', 7, 0, '7'],
    ['+7.25', 7, 250_000_000, '7.25'],
    ['4102444800.1', 4_102_444_800, 100_000_000, '4102444800.1'],
  ]
  for (const [text, seconds, nanoseconds, back] of rows) {
    t.strictSame(parsePaxTime(text), { seconds, nanoseconds }, text)
    t.equal(formatPaxTime({ seconds, nanoseconds }), back, `${text} written`)
  }
  for (const bad of [
    '',
    '.',
    '.5',
    'x',
    '1,5',
    '1.5.1',
    '0x10',
    ' 1',
    '1 ',
    '1e3',
    '--1',
    '9007199254740993',
  ]) {
    t.throws(() => parsePaxTime(bad), Error, JSON.stringify(bad))
  }
})

t.test('xattrs of libarchive', async t => {
  const body = 'LIBARCHIVE.xattr.user.%3d=gP8\n'
  const [first] = list(Buffer.concat([raw({ flag: 'x', body: `${body.length + 3} ${body}` }), file('a', '')]))
  t.same(
    [...(first?.entry.xattrs ?? [])],
    [['user.=', Buffer.from([0x80, 0xff])]],
    'name URL-encoded, value base64',
  )
})
