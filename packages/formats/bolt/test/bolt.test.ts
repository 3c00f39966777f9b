import { type BoltTree, boltChecksum, boltFile } from '@pipelayer/testkit'
import fc from 'fast-check'
import t from 'tap'
import { type BoltBucket, readBolt } from '../src/index.js'

const OPTIONS = { name: 'meta.db' }

function reader(file: Buffer): (position: number, length: number) => Buffer {
  return (position, length) => file.subarray(position, position + length)
}

function read(file: Buffer): unknown {
  return readBolt(reader(file), OPTIONS, whole)
}

function flip(bytes: Buffer, at: number, by: number): void {
  bytes.writeUInt8((bytes[at] ?? 0) ^ by, at)
}

// Everything in a bucket, with values as text.
function whole(bucket: BoltBucket, depth = 0): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const { key, value, bucket: below } of bucket.entries())
    found[key.toString()] = value?.toString() ?? (below && depth < 8 ? whole(below, depth + 1) : 'deep')
  return found
}

function many(count: number): BoltTree {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`key-${String(n).padStart(5, '0')}`, `value ${n}`]),
  )
}

t.test('what a database holds', async t => {
  const rows: readonly [tree: BoltTree, options: Parameters<typeof boltFile>[1], why: string][] = [
    [{}, {}, 'nothing'],
    [{ a: '1', b: '' }, {}, 'values, one of them empty'],
    [
      { v1: { ns: { images: { x: { target: { digest: 'd' } } } } } },
      {},
      'buckets in buckets, the last inline',
    ],
    [{ big: { ...many(1) }, large: { ...many(300) } }, {}, 'a bucket inline, another on pages of its own'],
    [many(3000), { perPage: 4 }, 'branches above branches'],
    [{ huge: 'x'.repeat(20_000), small: 'y' }, {}, 'a value over several pages'],
    [many(200), { pageSize: 1024 }, 'small pages'],
    [many(50), { pageSize: 65_536 }, 'pages of arm64'],
    [{ a: '1' }, { transaction: 7n }, 'the second meta page is newer'],
  ]
  for (const [tree, options, why] of rows) t.same(read(boltFile(tree, options)), tree, why)
})

t.test('a key is found as the walk finds it', async t => {
  const file = boltFile({ b: many(500), a: '1' }, { perPage: 3 })
  readBolt(reader(file), OPTIONS, root => {
    const bucket = root.bucket('b')
    for (const [key, value] of Object.entries(many(500))) t.equal(bucket?.value(key)?.toString(), value)
    for (const key of ['', 'key', 'key-00100x', 'zzz', 'a'])
      t.equal(bucket?.value(key), undefined, `"${key}"`)
    t.equal(root.bucket('a'), undefined, 'a value is no bucket')
    t.equal(root.value('b'), undefined, 'a bucket is no value')
    t.equal(root.bucket('none'), undefined)
  })
})

t.test('the newer valid meta page counts', async t => {
  const old = boltFile({ a: 'old' }, { transaction: 4n })
  const both = boltFile({ a: 'new' }, { transaction: 5n })
  flip(both, 4096 + 75, 1)
  t.match(read(both), { a: 'new' }, 'the checksum of one is wrong')
  const first = Buffer.from(old)
  first.fill(0, 0, 4096)
  t.match(read(first), { a: 'old' }, 'the first was lost, so that the size of pages is searched')
  const neither = Buffer.from(first)
  flip(neither, 4096 + 40, 1)
  t.throws(() => read(neither), { code: 'BOLT_INVALID', message: /begins with something else/ })
})

t.test('files that are no database', async t => {
  const file = boltFile({ a: '1' })
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(file)
    for (const at of [0, 4096]) change(bytes.subarray(at, at + 4096))
    return bytes
  }
  const summed = (change: (bytes: Buffer) => void): Buffer =>
    changed(bytes => {
      change(bytes)
      bytes.writeBigUInt64LE(boltChecksum(bytes.subarray(16, 72)), 72)
    })
  const rows: readonly [file: Buffer, message: RegExp][] = [
    [Buffer.alloc(0), /it is empty/],
    [Buffer.alloc(40), /it is too short/],
    [Buffer.alloc(8192, 'x'), /it begins with something else/],
    [changed(bytes => bytes.subarray(16, 20).reverse()), /a big-endian machine wrote it/],
    [summed(bytes => bytes.writeUInt32LE(3, 20)), /expected version 2, got 3/],
    [summed(bytes => bytes.writeUInt32LE(5000, 24)), /pages of 5000 bytes are not possible/],
    [summed(bytes => bytes.writeUInt32LE(2 ** 31, 24)), /pages of 2147483648 bytes are not possible/],
    [changed(bytes => bytes.writeUInt32LE(1, 28)), /the checksums of both meta pages are wrong/],
    [summed(bytes => bytes.writeBigUInt64LE(1n, 32)), /page 1: there are pages 2 to 3/],
    [summed(bytes => bytes.writeBigUInt64LE(2n ** 60n, 56)), /^$/],
  ]
  for (const [bytes, message] of rows.slice(0, -1))
    t.throws(() => read(bytes), { code: 'BOLT_INVALID', message })
  t.match(read(rows.at(-1)?.[0] ?? file), { a: '1' }, 'a number of pages beyond the file does no harm')
  const far = summed(bytes => {
    bytes.writeBigUInt64LE(2n ** 62n, 56)
    bytes.writeBigUInt64LE(2n ** 61n, 32)
  })
  t.throws(() => read(far), { code: 'BOLT_INVALID', message: /the file ends before its end/ })
})

// Pages 0 to 2 are the meta pages and the list of free pages.
function page(file: Buffer, id: number): Buffer {
  return file.subarray(id * 4096, (id + 1) * 4096)
}

t.test('pages that lie', async t => {
  // Pages 3 and 4 are leaves, page 5 the branch above them.
  const file = boltFile({ a: '1', b: '2', c: '3' }, { perPage: 2 })
  t.equal(file.length, 6 * 4096)
  const rows: readonly [change: (file: Buffer) => void, message: RegExp, why: string][] = [
    [f => page(f, 5).writeBigUInt64LE(5n, 24), /page 5 is named twice/, 'a branch below itself'],
    [f => page(f, 5).writeBigUInt64LE(3n, 40), /page 3 is named twice/, 'a leaf that is named twice'],
    [f => page(f, 5).writeBigUInt64LE(1n, 24), /page 1: there are pages 2 to 5/, 'a meta page'],
    [
      f => page(f, 5).writeBigUInt64LE(2n, 24),
      /page 2: expected a branch or a leaf, got flags 16/,
      'the free pages',
    ],
    [f => page(f, 5).writeBigUInt64LE(99n, 24), /page 99: there are/, 'behind the last page'],
    [f => page(f, 5).writeUInt16LE(0, 10), /page 5: a branch without elements/, 'an empty branch'],
    [f => page(f, 3).writeBigUInt64LE(4n, 0), /page 3: it says that it is page 4/, 'another number'],
    [f => page(f, 3).writeUInt16LE(3, 8), /got flags 3/, 'a leaf and a branch at once'],
    [f => page(f, 3).writeUInt16LE(0xffff, 10), /65535 elements have no room/, 'more elements than bytes'],
    [f => page(f, 3).writeUInt32LE(9, 12), /page 3: it goes on behind the last page/, 'overflow'],
    [f => page(f, 3).writeUInt32LE(2 ** 32 - 1, 12), /more than 67108864/, 'overflow of terabytes'],
    [f => page(f, 5).writeUInt32LE(2 ** 10, 12), /more than 1048576/, 'a branch of megabytes'],
    [f => page(f, 3).writeUInt32LE(2 ** 31, 24), /element 0 leaves it/, 'the length of a key'],
    [f => page(f, 3).writeUInt32LE(2 ** 32 - 1, 20), /element 0 leaves it/, 'the place of a key'],
    [f => page(f, 3).writeUInt32LE(5000, 28), /element 0 leaves it/, 'the length of a value'],
    [f => page(f, 3).writeUInt32LE(1, 16), /a bucket in it is too short/, 'a value that says it is a bucket'],
    [f => page(f, 4).write('a', 32), /page 4: its keys are not in order/, 'keys that go back'],
  ]
  for (const [change, message, why] of rows) {
    const bytes = Buffer.from(file)
    change(bytes)
    t.throws(() => read(bytes), { code: 'BOLT_INVALID', message }, why)
  }
})

t.test('buckets that share pages, and buckets in themselves', async t => {
  const file = boltFile({ a: { x: many(200) }, b: { y: many(200) } })
  readBolt(reader(file), OPTIONS, root => t.ok(root.bucket('a')?.bucket('x')?.value('key-00007')))
  // The root page is the last one; its elements' values begin with the root pages of "a" and "b".
  const root = page(file, file.length / 4096 - 1)
  const valueOf = (index: number): number => {
    const at = 16 + index * 16
    return at + root.readUInt32LE(at + 4) + root.readUInt32LE(at + 8)
  }
  const shared = Buffer.from(file)
  page(shared, file.length / 4096 - 1).copyWithin(valueOf(1), valueOf(0), valueOf(0) + 8)
  t.throws(() => read(shared), { code: 'BOLT_INVALID', message: /two buckets name it/ })
  const self = Buffer.from(file)
  page(self, file.length / 4096 - 1).writeBigUInt64LE(BigInt(file.length / 4096 - 1), valueOf(0))
  t.throws(() => read(self), { code: 'BOLT_INVALID', message: /two buckets name it/ })
  const branch = boltFile({ a: { x: '1' } })
  page(branch, 3).writeUInt16LE(1, page(branch, 3).indexOf('a') + 1 + 16 + 8)
  t.throws(() => read(branch), { code: 'BOLT_INVALID', message: /expected a leaf, got a branch/ }, 'inline')
})

t.test('a tree that is too deep', async t => {
  const deep = boltFile(many(30))
  const count = 40
  // Each page is a branch with one element, which names the next page.
  const pages = Array.from({ length: count }, (_, n) => {
    const bytes = Buffer.alloc(4096)
    bytes.writeBigUInt64LE(BigInt(4 + n), 0)
    bytes.writeUInt16LE(1, 8)
    bytes.writeUInt16LE(1, 10)
    bytes.writeBigUInt64LE(BigInt(5 + n), 24)
    return bytes
  })
  const file = Buffer.concat([deep, ...pages])
  for (const at of [0, 4096]) {
    const meta = file.subarray(at, at + 4096)
    meta.writeBigUInt64LE(4n, 32)
    meta.writeBigUInt64LE(BigInt(4 + count), 56)
    meta.writeBigUInt64LE(boltChecksum(meta.subarray(16, 72)), 72)
  }
  t.throws(() => read(file), { code: 'BOLT_INVALID', message: /more than 24 pages lie above/ })
  t.throws(() => readBolt(reader(file), OPTIONS, root => root.value('x')), { message: /more than 24 pages/ })
})

t.test('a database that is written meanwhile', async t => {
  const before = boltFile({ a: 'before', b: many(300) }, { transaction: 2n })
  const after = boltFile({ a: 'after', b: many(400) }, { transaction: 3n })
  const times: number[] = []
  let file = before
  const options = { ...OPTIONS, again: (time: number) => times.push(time) }
  const found = readBolt(
    (position, length) => file.subarray(position, position + length),
    options,
    root => {
      const a = root.value('a')?.toString()
      file = after
      return [a, Object.keys(whole(root)).length]
    },
  )
  t.same([found, times], [['after', 2], [1]], 'is read once more')
  let number = 10n
  let calls = 0
  const busy = (position: number, length: number): Buffer =>
    boltFile({ a: String(number) }, { transaction: number }).subarray(position, position + length)
  const work = (root: BoltBucket): string | undefined => {
    calls++
    number += 2n
    return root.value('a')?.toString()
  }
  t.throws(() => readBolt(busy, OPTIONS, work), { code: 'BOLT_CHANGING', status: 75 }, 'but not for ever')
  t.equal(calls, 50)
  let broken: Buffer = Buffer.from(before)
  page(broken, broken.length / 4096 - 1).fill(0)
  const heals = (root: BoltBucket): string | undefined => {
    const next = after
    try {
      return root.value('a')?.toString()
    } finally {
      broken = next
    }
  }
  const mended = readBolt((position, length) => broken.subarray(position, position + length), OPTIONS, heals)
  t.equal(mended, 'after', 'an error from pages that were replaced is none')
})

t.test('errors of the caller come through', async t => {
  const fail = (): never => {
    throw new Error('mine')
  }
  t.throws(() => readBolt(reader(boltFile({})), OPTIONS, fail), { message: 'mine' })
})

t.test('cut files and flipped bytes give an error that says so, or what is left', async t => {
  const tree = {
    v1: { a: { images: many(40), labels: { k: 'v' } }, b: { images: { x: { y: 'z' } } } },
    w: 'x'.repeat(9000),
  }
  const file = boltFile(tree, { pageSize: 1024, perPage: 5 })
  const passes = (bytes: Buffer): void => {
    try {
      read(bytes)
    } catch (error) {
      if ((error as { code?: string }).code !== 'BOLT_INVALID') throw error
    }
  }
  for (let end = 0; end < file.length; end += 512) {
    const cut = file.subarray(0, end)
    t.throws(() => read(cut), { code: 'BOLT_INVALID' }, `cut at ${end}`)
  }
  const flips = fc.array(fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(flips, list => {
      const bytes = Buffer.from(file)
      for (const [at, by] of list) flip(bytes, at, by)
      passes(bytes)
    }),
    { numRuns: 3000 },
  )
})
