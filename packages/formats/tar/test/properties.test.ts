import fc from 'fast-check'
import t from 'tap'
import { parsePax, type TarEntry, type TarEvent, TarParser } from '../src/index.js'
import {
  archive,
  BASE,
  copied,
  eventsOf,
  file,
  gnuSparse,
  joined,
  type Listed,
  list,
  raw,
  reassembled,
  sparse10,
} from './archives.js'

const bytes = (max: number, min = 0): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: min, maxLength: max })
    .map(all => Buffer.from(all).toString('latin1').replaceAll('\0', '0'))
const time = fc.record(
  {
    seconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    nanoseconds: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
  },
  { noNullPrototype: true },
)
const anyEntry: fc.Arbitrary<TarEntry & { data: Buffer }> = fc
  .record(
    {
      name: bytes(300, 1).map(name => name.replace(/\/+$/, '') || 'x'),
      type: fc.constantFrom('file', 'dir', 'symlink', 'hardlink', 'char', 'block', 'fifo'),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.oneof(fc.nat(5000), fc.nat(2 ** 32 - 1)),
      gid: fc.oneof(fc.nat(5000), fc.nat(2 ** 32 - 1)),
      mtime: time,
      linkname: bytes(200, 1),
      device: fc.nat(0o7777777),
      xattrs: fc.array(
        fc.tuple(
          bytes(20, 1).map(key => key.replaceAll('=', '-')),
          fc.uint8Array({ maxLength: 40 }),
        ),
        { maxLength: 3 },
      ),
      data: fc.uint8Array({ maxLength: 1500 }),
    },
    { noNullPrototype: true },
  )
  .map(({ device, xattrs, data, linkname, type, ...rest }) => ({
    ...rest,
    type,
    size: type === 'file' ? data.length : 0,
    linkname: type === 'symlink' || type === 'hardlink' ? linkname : '',
    devmajor: type === 'char' || type === 'block' ? device : 0,
    devminor: type === 'char' || type === 'block' ? 3 : 0,
    xattrs: new Map(xattrs.map(([key, value]) => [key, Buffer.from(value)])),
    data: type === 'file' ? Buffer.from(data) : Buffer.alloc(0),
  })) as fc.Arbitrary<TarEntry & { data: Buffer }>

t.test('whatever is written is read back', async t => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 5 }), entries => {
      const read = list(archive(entries))
      t.equal(read.length, entries.length)
      for (const [i, { data, ...want }] of entries.entries()) {
        const name = want.type === 'dir' ? `${want.name}/` : want.name
        const { entry, content } = read[i] as Listed
        const got = Object.fromEntries(Object.keys(want).map(key => [key, entry[key as keyof TarEntry]]))
        t.strictSame(got, { ...want, name })
        t.equal(content, data.toString('latin1'))
      }
    }),
    { numRuns: 60 },
  )
})

t.test('how an archive is cut does not matter', async t => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 3 }), fc.integer({ min: 1, max: 700 }), (entries, step) => {
      const bytes = archive(entries)
      t.strictSame(joined(eventsOf(bytes, {}, step)), joined(eventsOf(bytes)))
    }),
    { numRuns: 40 },
  )
  const one = archive([{ ...BASE, name: 'n'.repeat(200), type: 'file', size: 3, data: Buffer.from('abc') }])
  t.strictSame(joined(eventsOf(one, {}, 1)), joined(eventsOf(one)), 'one byte at a time')
  const shared = Buffer.alloc(100)
  const parser = new TarParser()
  const events: TarEvent[] = []
  for (let at = 0; at < one.length; at += 100) {
    const size = one.copy(shared, 0, at)
    for (const event of parser.push(shared.subarray(0, size))) events.push(copied(event))
  }
  t.strictSame(joined(events), joined(eventsOf(one)), 'the memory of a chunk may be used again')
})

t.test('raw events and content are the archive', async t => {
  fc.assert(
    fc.property(fc.array(anyEntry, { maxLength: 4 }), fc.uint8Array({ maxLength: 40 }), (entries, tail) => {
      const bytes = Buffer.concat([archive(entries), tail])
      t.ok(reassembled(bytes, 333).equals(bytes))
    }),
    { numRuns: 40 },
  )
  const odd = Buffer.concat([
    raw({ flag: 'x', body: sparse10(700) }),
    file('s', `${'2\n2\n2\n600\n2\n'.padEnd(512, '\0')}ABCD`),
    raw({ name: 'o', flag: 'S', body: 'ABCD', gnu: true, extra: gnuSparse([2, 2, 600, 2], 700) }),
    raw({ flag: 'L', body: 'long\0' }),
    Buffer.from(file('padding', 'abc')).fill('j', 515 + 512 - 3 - 512),
  ])
  t.ok(reassembled(odd, 512).equals(odd), 'sparse maps, GNU names and dirt in the padding included')
})

t.test('damage is an error or another archive, never a crash', async t => {
  const good = archive([
    { ...BASE, name: 'long'.repeat(60), type: 'file', size: 700, data: Buffer.alloc(700, 'a') },
    { ...BASE, name: 's', type: 'symlink', linkname: 'x', data: Buffer.alloc(0) },
  ])
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, end) => {
      const bytes = Buffer.from(good.subarray(0, Math.max(end, at + 1)))
      bytes[at] = value
      try {
        list(bytes)
      } catch (error) {
        t.match(error, { code: /^TAR_(INVALID|TRUNCATED)$/ })
      }
    }),
    { numRuns: 400 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), body => {
      try {
        parsePax(Buffer.from(body))
      } catch (error) {
        t.match(error, { message: /PAX|GNU/ })
      }
    }),
  )
})
