import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import zlib from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { DecompressOptions } from '../src/decompress.js'
import { ZstdFrames } from '../src/frames.js'
import { compress, decompress, decompressExternal, engineOf } from '../src/index.js'
import { all, cut, sample, Watched } from './streams.js'

const noZstd = hasZstd() ? false : 'neither Node nor the system has zstd'
const a = zlib.gzipSync('hello')
const b = zlib.gzipSync(' world')
const text = (value: string): Buffer => Buffer.from(value)

t.test('gzip', async t => {
  const damaged = Buffer.from(a)
  damaged.writeUInt32LE(1, damaged.length - 8)
  const rows: [string, Buffer, string | undefined, string][] = [
    ['one member', a, 'hello', ''],
    ['two', Buffer.concat([a, b]), 'hello world', 'pigz -i, eStargz, cat'],
    ['empty members', Buffer.concat([zlib.gzipSync(''), a, zlib.gzipSync('')]), 'hello', ''],
    ['zeros after', Buffer.concat([a, Buffer.alloc(1000)]), 'hello', 'padding, as gzip(1)'],
    [
      'zeros, then more',
      Buffer.concat([a, Buffer.alloc(1000), b]),
      undefined,
      'Node passes over what follows',
    ],
    ['garbage after', Buffer.concat([a, text('garbage')]), undefined, 'as Go'],
    ['half a magic after', Buffer.concat([a, b.subarray(0, 1)]), undefined, ''],
    ['cut', a.subarray(0, -1), undefined, ''],
    ['cut in the header', a.subarray(0, 5), undefined, ''],
    ['cut in the second', Buffer.concat([a, b.subarray(0, 12)]), undefined, ''],
    ['wrong CRC', damaged, undefined, ''],
    ['not deflate', Buffer.concat([a.subarray(0, 10), text('\xff\xff\xff')]), undefined, ''],
  ]
  await check(t, rows)
})

t.test('zstd', { skip: noZstd }, async t => {
  const [first, second] = [await pack('hello'), await pack(' world')]
  const skippable = Buffer.from('5a2a4d1803000000aabbcc', 'hex')
  const flipped = Buffer.from(first)
  flipped[flipped.length - 1] = ~(flipped.at(-1) ?? 0) & 0xff
  const rows: [string, Buffer, string | undefined, string][] = [
    ['one frame', first, 'hello', ''],
    ['two', Buffer.concat([first, second]), 'hello world', 'pzstd, cat'],
    ['skippable first', Buffer.concat([skippable, first]), 'hello', ''],
    [
      'skippable between and last',
      Buffer.concat([first, skippable, second, skippable]),
      'hello world',
      'zstd:chunked',
    ],
    ['only skippable', skippable, '', ''],
    ['empty frames', Buffer.concat([await pack(''), first]), 'hello', ''],
    ['zeros after', Buffer.concat([first, Buffer.alloc(9)]), undefined, 'no frame begins so'],
    ['garbage after', Buffer.concat([first, text('garbage garbage')]), undefined, ''],
    ['cut', first.subarray(0, -1), undefined, 'Node 22 takes it for whole'],
    ['cut in the header', first.subarray(0, 4), undefined, ''],
    ['cut in the magic', Buffer.concat([first, second.subarray(0, 3)]), undefined, ''],
    ['cut in a skippable', Buffer.concat([first, skippable.subarray(0, -1)]), undefined, ''],
    ['wrong checksum', flipped, undefined, ''],
    // Window descriptor 0x98 means 2^29 bytes: a frame of 9 bytes that asks for 512 MiB of memory.
    ['window of 512 MiB', Buffer.from('28b52ffd00980100004141', 'hex'), undefined, 'over 128 MiB'],
  ]
  await check(t, rows)
})

t.test('others', async t => {
  const seen: string[] = []
  t.equal(
    String(await all(decompress(cut(text('plain')), { onDetected: format => seen.push(format) }))),
    'plain',
  )
  t.equal(
    String(await all(decompress(cut(Buffer.alloc(0)), { onDetected: format => seen.push(format) }))),
    '',
  )
  await all(decompress(cut(a), { onDetected: format => seen.push(format) }))
  t.strictSame(seen, ['none', 'none', 'gzip'])
  for (const hex of ['fd377a585a000004', '425a6839314159265359']) {
    await t.rejects(all(decompress(cut(Buffer.from(hex, 'hex')))), { code: 'COMPRESSION_UNSUPPORTED' }, hex)
  }
})

t.test('limits', async t => {
  const bomb = zlib.gzipSync(Buffer.alloc(20 << 20))
  const rows: [DecompressOptions, Buffer, boolean, string][] = [
    [{ maxBytes: 5 }, a, true, 'exactly the limit'],
    [{ maxBytes: 4 }, a, false, 'one more'],
    [{ maxBytes: 4 }, text('plain'), false, 'plain bytes count too'],
    [{ maxBytes: 1 << 20 }, bomb, false, 'long before the end'],
    [{ maxRatio: 100 }, bomb, false, 'zeros shrink a thousandfold'],
    [{ maxRatio: 2000 }, bomb, true, 'allowed so'],
    [{ maxRatio: 2 }, zlib.gzipSync(Buffer.alloc(1 << 20)), true, 'a MiB is never a bomb'],
    [{}, bomb, true, 'no limit unless asked for'],
  ]
  for (const [options, bytes, ok, why] of rows) {
    const done = all(decompress(cut(bytes, 1000), options))
    if (ok) await t.resolves(done, why)
    else await t.rejects(done, { code: 'DECOMPRESSION_LIMIT' }, why)
  }
})

t.test('pieces are small, and the consumer sets the pace', async t => {
  const zeros = Buffer.alloc(4 << 20)
  for (const format of hasZstd() ? (['gzip', 'zstd'] as const) : (['gzip'] as const)) {
    const packed = await all(compress(cut(zeros), { format }))
    for await (const bytes of decompress(cut(packed)))
      t.ok(bytes.length <= 1 << 18, `${format} ${bytes.length}`)
    const source = new Watched(packed)
    for await (const bytes of decompress(source)) if (bytes.length > 0 && source.asked > 1) break
    t.ok(source.asked <= 3, `${format} asked for ${source.asked} chunks`)
    t.ok(source.isClosed, `${format} closes its source when left`)
  }
})

t.test('where zstd frames end', { skip: noZstd }, async t => {
  const frames = [
    await pack(''),
    await pack('x'),
    await all(compress(cut(sample(300_000)), { format: 'zstd' })),
    await all(compress(cut(Buffer.alloc(1_000_000)), { format: 'zstd' })),
    Buffer.from('502a4d1800000000', 'hex'),
    Buffer.from('5f2a4d1805000000aabbccddee', 'hex'),
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...frames), { maxLength: 6 }),
      fc.integer({ min: 1, max: 9000 }),
      async (some, step) => {
        const walker = new ZstdFrames()
        const ends: number[] = []
        let at = 0
        for await (const chunk of cut(Buffer.concat(some), step)) {
          for (const piece of walker.split(chunk)) {
            at += piece.length
            if (walker.isWhole) ends.push(at)
          }
        }
        const want = some.map((_, i) => some.slice(0, i + 1).reduce((sum, frame) => sum + frame.length, 0))
        t.strictSame(ends, want)
      },
    ),
    { numRuns: 40 },
  )
})

t.test('damage is an error or other bytes, never a crash', async t => {
  const packs = hasZstd() ? [a, await pack('hello hello hello')] : [a]
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...packs), fc.nat(60), fc.nat(255), async (good, at, value) => {
      const bytes = Buffer.from(good)
      bytes[at % bytes.length] = value
      const outcome = await all(decompress(cut(bytes, 7), { maxBytes: 1 << 20 })).catch(
        (error: unknown) => error,
      )
      if (!Buffer.isBuffer(outcome)) t.match(outcome, { code: /^(COMPRESSION|DECOMPRESSION)_/ })
    }),
    { numRuns: 200 },
  )
})

t.test('bzip2 and xz by programs', async t => {
  const bytes = sample(500_000)
  for (const program of ['bzip2', 'xz'] as const) {
    await t.test(program, { skip: absent(program) }, async t => {
      const packed = execFileSync(program, ['-c'], { input: bytes, maxBuffer: 1 << 24 })
      t.ok((await all(decompressExternal(cut(packed, 4096), program, spawn))).equals(bytes))
      await t.rejects(all(decompressExternal(cut(packed.subarray(0, 1000)), program, spawn)), {
        code: 'COMPRESSION_INVALID',
      })
      const children: ChildProcess[] = []
      const source = new Watched(packed)
      const spy: typeof spawn = ((...args: Parameters<typeof spawn>) => {
        const child = spawn(...args)
        children.push(child)
        return child
      }) as typeof spawn
      for await (const piece of decompressExternal(source, program, spy)) if (piece.length > 0) break
      const [child] = children
      if (child?.exitCode === null && child.signalCode === null)
        await new Promise(resolve => child.once('close', resolve))
      t.match(child?.signalCode, /^SIG(KILL|PIPE)$/, 'the child goes when the loop is left')
      t.ok(source.isClosed, 'and the source is closed')
    })
  }
  const none = ((_: string, args: string[], options: object) =>
    spawn('/nonexistent', args, options)) as typeof spawn
  await t.rejects(all(decompressExternal(cut(a), 'xz', none)), { code: 'COMPRESSION_UNSUPPORTED' })
})

type Checks = Pick<typeof t, 'equal' | 'rejects'>

/** Each row in one piece, cut in small ones, and byte by byte. */
async function check(
  t: Checks,
  rows: readonly [string, Buffer, string | undefined, string][],
): Promise<void> {
  for (const [name, bytes, want, why] of rows) {
    for (const step of [bytes.length, 11, 1]) {
      const done = all(decompress(cut(bytes, step)))
      const label = `${name} by ${step}: ${why}`
      if (want === undefined) await t.rejects(done, { code: 'COMPRESSION_INVALID' }, label)
      else t.equal(String(await done), want, label)
    }
  }
}

function pack(value: string): Promise<Buffer> {
  return all(compress(cut(text(value)), { format: 'zstd' }))
}

function hasZstd(): boolean {
  try {
    return engineOf('zstd') !== ''
  } catch {
    return false
  }
}

function absent(program: string): string | false {
  try {
    execFileSync(program, ['--help'], { stdio: 'ignore' })
    return false
  } catch {
    if (process.env.CI === 'true') throw new Error(`${program} is not installed`)
    return `${program} is not installed`
  }
}
