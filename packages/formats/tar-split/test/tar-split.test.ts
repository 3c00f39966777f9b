// Lists of headers, made and read: both ways give the same tar, and what is broken is told.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { encodeHeader, type ReadEntry } from '@pipelayer/tar'
import { chunked, handmade, hard, type Item, link, tempDir } from '@pipelayer/testkit'
import fc from 'fast-check'
import t from 'tap'
import { Crc64 } from '../src/crc64.js'
import { assembleTar, type SplitContents, splitSize, splitTar } from '../src/index.js'

const crcOf = (bytes: Uint8Array): Buffer => {
  const sum = new Crc64()
  sum.update(bytes)
  return sum.digest()
}

/** The same sum, bit by bit, as the definition has it. */
function slowCrc(bytes: Uint8Array): bigint {
  const all = 0xffffffffffffffffn
  let sum = all
  for (const byte of bytes) {
    sum ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) sum = sum & 1n ? (sum >> 1n) ^ 0xd800000000000000n : sum >> 1n
  }
  return sum ^ all
}

t.test('CRC-64 of ISO 3309', async t => {
  // hash/crc64 of Go 1.22 with its ISO table.
  t.equal(crcOf(Buffer.from('123456789')).toString('hex'), 'b90956c775a41001')
  t.equal(crcOf(Buffer.from('hello\n')).toString('base64'), 'YUw+7uLYEAA=')
  t.equal(crcOf(Buffer.alloc(0)).toString('hex'), '0000000000000000')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      const sum = new Crc64()
      sum.update(bytes.subarray(0, at))
      sum.update(bytes.subarray(at))
      return sum.digest().readBigUInt64BE() === slowCrc(bytes)
    }),
  )
})

/** Files in memory, by their names in the tar; a file on disk is needed for a descriptor. */
function contentsOf(dir: string, files: Readonly<Record<string, string | Buffer>>): SplitContents {
  return {
    open: name => {
      const content = files[name]
      if (content === undefined) throw new Error(`no file ${name}`)
      const file = path.join(dir, createHash('sha256').update(name).digest('hex'))
      fs.writeFileSync(file, content)
      return { fd: fs.openSync(file, 'r'), size: content.length }
    },
  }
}

const all = async (bytes: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

const listOf = (tar: Buffer, holds: (entry: ReadEntry) => boolean, size = 1000): Promise<Buffer> =>
  all(splitTar(chunked(tar, size), { holds }))

const LONG = `${'long/'.repeat(60)}name`
const ITEMS: readonly Item[] = [
  { name: 'd/', type: 'dir' },
  { name: 'd/a<b>&c', content: 'hello\n' },
  { name: 'd/empty' },
  { name: 'd/caf\xe9', content: 'not UTF-8' },
  { name: LONG, content: 'x'.repeat(3_000_000) },
  { name: 'd/.wh.gone' },
  { name: 'd/.wh..wh..opq' },
  link('d/link', '../../etc/passwd'),
  hard('d/hard', 'd/a<b>&c'),
  { name: 'dev', type: 'char', devmajor: 1, devminor: 3 },
  { name: 'attributes', content: 'y', xattrs: new Map([['user.a', Buffer.from([0, 255, 10])]]) },
]
const FILES = Object.fromEntries(ITEMS.flatMap(({ name, content }) => (content ? [[name, content]] : [])))

t.test('a list and the files give the tar', async t => {
  const dir = tempDir(t, 'split')
  const tar = handmade(ITEMS)
  const rows: readonly [tar: Buffer, why: string][] = [
    [tar, 'whole'],
    [
      Buffer.concat([tar, Buffer.alloc(3_000_000), Buffer.from('what follows the end')]),
      'with bytes after its end',
    ],
    [tar.subarray(0, -1024), 'without an end'],
    [handmade([]), 'empty'],
  ]
  for (const [bytes, why] of rows)
    for (const size of [bytes.length, 1, 1 << 16].slice(bytes.length > 100_000 ? 2 : 0)) {
      const list = await listOf(bytes, () => true, size)
      const zipped = zlib.gzipSync(list)
      const found = await all(assembleTar(chunked(zipped, 700), contentsOf(dir, FILES)))
      t.ok(found.equals(bytes), `${why}, in chunks of ${size}`)
      t.equal(await splitSize(chunked(zipped)), bytes.length)
    }
})

t.test('the lines', async t => {
  const tar = handmade([{ name: 'etc/hosts', content: 'hello\n' }, { name: '\xff' }])
  const lines = (await listOf(tar, () => true)).toString().trim().split('\n')
  const parsed = lines.map(line => JSON.parse(line))
  t.same(
    parsed.map(({ type, position }) => [type, position]),
    [
      [2, 0],
      [1, 1],
      [2, 2],
      [1, 3],
      [2, 4],
    ],
  )
  t.match(parsed[1], { name: 'etc/hosts', size: 6, payload: 'YUw+7uLYEAA=' })
  t.match(parsed[3], { name_raw: '/w==', payload: null })
  t.notOk('size' in parsed[3])
  t.equal(Buffer.from(parsed[0].payload, 'base64').length, 512)
})

t.test('what the tree does not hold stands in the list', async t => {
  const dir = tempDir(t, 'split')
  // A sparse file in GNU's old form: 512 bytes of content of a file of 4096, whose map lies in the header.
  const header = encodeHeader({
    name: 'sparse',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 512,
    mtime: { seconds: 0, nanoseconds: 0 },
  })
  const sparse = asSparse(header, [[1024, 512]], 4096)
  const tar = Buffer.concat([sparse, Buffer.alloc(512, 's'), handmade([{ name: 'a', content: 'aaa' }])])
  const list = await listOf(tar, ({ name }) => name === 'sparse')
  t.notMatch(list.toString(), /"size"/, 'no file has its content outside of the list')
  const found = await all(assembleTar(chunked(zlib.gzipSync(list)), contentsOf(dir, {})))
  t.ok(found.equals(tar))
})

/** Makes a header that of a sparse file. Spec: GNU tar manual, "Extensions to Standard". */
function asSparse(header: Buffer, map: readonly (readonly [number, number])[], size: number): Buffer {
  const block = Buffer.from(header)
  block.write('S', 156, 'latin1')
  block.write('ustar  \0', 257, 'latin1')
  block.fill(0, 345, 512)
  const octal = (value: number, at: number): number =>
    block.write(`${value.toString(8).padStart(11, '0')}\0`, at, 'latin1')
  for (const [index, [offset, length]] of map.entries()) {
    octal(offset, 386 + index * 24)
    octal(length, 398 + index * 24)
  }
  octal(size, 483)
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

t.test('lists and files that are broken', async t => {
  const dir = tempDir(t, 'split')
  const tar = handmade([{ name: 'a', content: 'aaa' }])
  const list = (await listOf(tar, () => true)).toString()
  const read = (text: string | Buffer, files: Record<string, string> = { a: 'aaa' }): Promise<Buffer> =>
    all(assembleTar(chunked(zlib.gzipSync(text)), contentsOf(dir, files)))
  t.ok((await read(list.trimEnd())).equals(tar), 'a last line without an end')
  t.ok((await read(list.replaceAll('\n', '\n\n'))).equals(tar), 'empty lines')
  const line = (fields: object): string => `${JSON.stringify(fields)}\n`
  const rows: readonly [text: string, code: string, why: string][] = [
    [list.slice(0, -20), 'TAR_SPLIT_INVALID', 'cut'],
    ['null\n', 'TAR_SPLIT_INVALID', 'no object'],
    [line({ type: 3 }), 'TAR_SPLIT_INVALID', 'another type'],
    [line({ type: 2, payload: 1 }), 'TAR_SPLIT_INVALID', 'bytes that are no text'],
    [line({ type: 1, name: 1 }), 'TAR_SPLIT_INVALID', 'a name that is no text'],
    [line({ type: 1, name: 'a', size: 3, payload: null }), 'TAR_SPLIT_INVALID', 'no checksum'],
    [line({ type: 1, name: 'a', size: 3, payload: 'YUw+' }), 'TAR_SPLIT_INVALID', 'a short checksum'],
    [line({ type: 1, name: 'a', size: -1, payload: null }), 'TAR_SPLIT_INVALID', 'a negative size'],
    [
      line({ type: 1, name: 'a', size: 2 ** 60, payload: 'YUw+7uLYEAA=' }),
      'TAR_SPLIT_INVALID',
      'a huge size',
    ],
    [line({ type: 1, name: 'a', size: 3, payload: 'YUw+7uLYEAA=' }), 'CHECKSUM_MISMATCH', 'a wrong checksum'],
    [line({ type: 1, name: 'a', size: 4, payload: 'YUw+7uLYEAA=' }), 'SIZE_MISMATCH', 'another size'],
    [`"${'x'.repeat(17 * 1024 * 1024)}`, 'TAR_SPLIT_INVALID', 'a line without end'],
  ]
  for (const [text, code, why] of rows) await t.rejects(read(text), { code }, why)
  await t.rejects(read(list, { a: 'aab' }), {
    code: 'CHECKSUM_MISMATCH',
    message:
      /^the file "a" was changed since it was unpacked: its checksum is [0-9a-f]{16}, and was [0-9a-f]{16}$/,
  })
  await t.rejects(
    all(assembleTar(chunked(Buffer.from('\x1f\x8b\x08 no gzip', 'latin1')), contentsOf(dir, {}))),
    {
      code: 'COMPRESSION_INVALID',
    },
  )
  const huge = line({ type: 1, name: 'a', size: 2 ** 52, payload: 'YUw+7uLYEAA=' }).repeat(3)
  await t.rejects(
    splitSize(chunked(zlib.gzipSync(huge))),
    { code: 'TAR_SPLIT_INVALID' },
    'sizes that overflow',
  )
  const short: SplitContents = {
    open: () => ({ fd: fs.openSync('/dev/null', 'r'), size: 3 }),
  }
  await t.rejects(
    all(assembleTar(chunked(zlib.gzipSync(list)), short)),
    { code: 'SIZE_MISMATCH' },
    'cut meanwhile',
  )
})
