import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import zlib from 'node:zlib'
import { isalVersion, libdeflateVersion, libzstdVersion } from '@pipelayer/sys'
import fc from 'fast-check'
import t from 'tap'
import { crc32, tableCrc32 } from '../src/crc32.js'
import type { CompressionFormat } from '../src/format.js'
import {
  compress,
  decompress,
  detectCompression,
  engineOf,
  parseCompression,
  verifyEngine,
} from '../src/index.js'
import { all, cut, failing, sample, Watched } from './streams.js'

const BLOCK = 1 << 20
const noZstd = hasZstd() ? false : 'neither Node nor the system has zstd'
const formats: CompressionFormat[] = hasZstd() ? ['gzip', 'zstd', 'none'] : ['gzip', 'none']

t.test('compressions as users name them', async t => {
  const rows: [string, ReturnType<typeof parseCompression> | undefined, string][] = [
    ['gzip', { format: 'gzip', level: 4 }, 'default level'],
    ['gzip:9', { format: 'gzip', level: 9 }, ''],
    ['gzip:0', { format: 'gzip', level: 0 }, 'stored'],
    ['zstd', { format: 'zstd', level: 3 }, 'default level'],
    ['zstd:22', { format: 'zstd', level: 22 }, 'highest'],
    ['none', { format: 'none', level: 0 }, ''],
    ['gzip:10', undefined, 'too high'],
    ['zstd:0', undefined, 'too low'],
    ['zstd:23', undefined, 'too high'],
    ['none:1', undefined, 'has no levels'],
    ['gzip:', undefined, 'no level'],
    ['gzip:-1', undefined, 'negative'],
    ['GZIP', undefined, 'case counts'],
    ['xz', undefined, 'not for layers'],
    ['', undefined, 'empty'],
  ]
  for (const [text, want, why] of rows) {
    if (want) t.strictSame(parseCompression(text), want, `${text} ${why}`)
    else t.throws(() => parseCompression(text), { code: 'COMPRESSION_UNKNOWN', status: 2 }, `${text} ${why}`)
  }
  t.throws(() => compress(cut(sample(1)), { format: 'gzip', level: 11 }), { code: 'COMPRESSION_UNKNOWN' })
})

t.test('compressions as bytes show them', async t => {
  const rows: [string, ReturnType<typeof detectCompression>, string][] = [
    ['1f8b0800', 'gzip', ''],
    ['1f8b07', 'none', 'a method that no one has'],
    ['28b52ffd', 'zstd', ''],
    ['502a4d18', 'zstd', 'skippable frame first: zstd:chunked, pzstd'],
    ['5f2a4d18', 'zstd', 'the last of the 16 skippable magics'],
    ['602a4d18', 'none', 'one after'],
    ['fd377a585a00', 'xz', ''],
    ['425a6839314159265359', 'bzip2', ''],
    ['425a6839177245385090', 'bzip2', 'an empty one'],
    [Buffer.from('BZh9-file.txt').toString('hex'), 'none', 'a tar whose first file has that name'],
    ['', 'none', 'empty'],
    ['1f8b', 'none', 'too short'],
  ]
  for (const [hex, want, why] of rows)
    t.equal(detectCompression(Buffer.from(hex, 'hex')), want, `${hex} ${why}`)
})

t.test('what is compressed comes back, whatever its size', async t => {
  for (const size of [0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 77]) {
    const bytes = sample(size)
    for (const format of formats) {
      const packed = await all(compress(cut(bytes, 65_521), { format }))
      t.ok((await all(decompress(cut(packed, 10_007)))).equals(bytes), `${format}, ${size} bytes`)
      if (format === 'gzip') t.ok(zlib.gunzipSync(packed).equals(bytes), `zlib agrees, ${size} bytes`)
    }
  }
})

t.test('workers and cuts do not change the bytes', async t => {
  const bytes = sample(5 * BLOCK + 3)
  for (const format of formats) {
    const want = await all(compress(cut(bytes), { format, workers: 1 }))
    for (const [workers, step] of [
      [2, 512],
      [4, 100_000],
      [16, BLOCK],
      [3, 3 * BLOCK],
    ] as const) {
      const got = await all(compress(cut(bytes, step), { format, workers }))
      t.ok(got.equals(want), `${format} by ${workers} workers in chunks of ${step}`)
    }
  }
})

t.test('gzip is one member with a plain header, nearly as small as in one piece', async t => {
  const bytes = sample(4 * BLOCK)
  const rows: [number, string][] = [
    [6, '1f8b08000000000000ff'],
    [1, '1f8b08000000000004ff'],
    [9, '1f8b08000000000002ff'],
  ]
  for (const [level, header] of rows) {
    const packed = await all(compress(cut(bytes), { format: 'gzip', level }))
    t.equal(packed.toString('hex', 0, 10), header, `level ${level}`)
    t.ok(packed.length < zlib.gzipSync(bytes, { level }).length * 1.001, `level ${level} loses under 0.1 %`)
  }
  const stored = await all(compress(cut(bytes), { format: 'gzip', level: 0 }))
  t.ok(zlib.gunzipSync(stored).equals(bytes), 'level 0')
})

t.test('programs read it', async t => {
  const bytes = sample(3 * BLOCK)
  for (const [program, format] of [
    ['gzip', 'gzip'],
    ['zstd', 'zstd'],
  ] as const) {
    const why = noZstd && format === 'zstd' ? noZstd : absent(program)
    await t.test(program, { skip: why }, async t => {
      const input = await all(compress(cut(bytes), { format }))
      t.ok(execFileSync(program, ['-dc'], { input, maxBuffer: 1 << 24 }).equals(bytes))
    })
  }
})

// Node is built with a zlib of its own, whose version ends with a commit; Debian's Node takes that of the system, which gives
// other bytes. layer-pack then warns, and refuses it where SOURCE_DATE_EPOCH asks for the same bytes everywhere.
const systemZlib = /^[\d.]+$/.test(process.versions.zlib ?? '') && process.env.CI !== 'true'

t.test('the known bytes', { skip: systemZlib && 'this Node has the zlib of the system' }, async t => {
  const check = await verifyEngine()
  t.equal(check.actualSHA256, check.expectedSHA256, `${check.engine} gives the known bytes`)
  t.ok(check.isKnown)
})

t.test('the engine', async t => {
  t.match(engineOf('gzip'), /^zlib\/\d/)
  t.equal(engineOf('none'), 'none')
  if (!noZstd) t.match(engineOf('zstd'), /^(node-zstd|libzstd)\/\d+\.\d+\.\d+$/)
})

const ENGINES = [
  ['libisal', 'gzip', 3, /^libisal\/2[.\d]*$/],
  ['libdeflate', 'gzip', 12, /^libdeflate\/0-[\da-f]{8}$/],
  ['libzstd', 'zstd', 22, /^libzstd\/\d+\.\d+\.\d+$/],
] as const

const INSTALLED = { libisal: isalVersion, libdeflate: libdeflateVersion, libzstd: libzstdVersion }

for (const [engine, format, highest, name] of ENGINES) {
  const isPresent = INSTALLED[engine]() !== undefined
  t.test(`engine ${engine}`, { skip: isPresent ? false : missing(engine) }, async t => {
    t.match(engineOf(format, engine), name)
    for (const size of [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 77]) {
      const bytes = sample(size)
      const want = await all(compress(cut(bytes), { format, engine, workers: 1 }))
      t.ok((await all(decompress(cut(want, 10_007)))).equals(bytes), `${size} bytes come back`)
      if (format === 'gzip') t.ok(zlib.gunzipSync(want).equals(bytes), `zlib agrees, ${size} bytes`)
      const got = await all(compress(cut(bytes, 65_521), { format, engine, workers: 3 }))
      t.ok(got.equals(want), `${size} bytes, workers and cuts do not count`)
    }
    const noise = randomBytes(BLOCK + 5)
    const packed = await all(compress(cut(noise), { format, engine }))
    t.ok((await all(decompress(cut(packed)))).equals(noise), 'what does not shrink comes back')
    t.ok(packed.length < noise.length * 1.001, 'and is stored')
    const asked = { format, engine, level: highest + 1 }
    t.throws(() => compress(cut(noise), asked), { code: 'COMPRESSION_UNKNOWN', status: 2 }, 'its own levels')
  })
}

t.test('engines are asked for by name', async t => {
  t.throws(() => compress(cut(sample(1)), { format: 'zstd', engine: 'libisal' }), {
    code: 'COMPRESSION_UNKNOWN',
  })
  t.throws(() => parseCompression('none', 'libzstd'), { code: 'COMPRESSION_UNKNOWN', status: 2 })
  t.throws(() => parseCompression('gzip:6', 'libisal'), /libisal level 6 is not from 0 to 3/)
  t.throws(() => parseCompression('gzip:0', 'libdeflate'), /libdeflate level 0 is not from 1 to 12/)
  t.strictSame(parseCompression('gzip', 'libdeflate'), { format: 'gzip', level: 4 })
  t.strictSame(parseCompression('gzip', 'libisal'), { format: 'gzip', level: 2 }, 'its own default')
  t.match(engineOf('gzip'), /^zlib\//, 'the default does not depend on what is installed')
})

t.test('CRC-32 without Node', async t => {
  t.equal(tableCrc32(Buffer.from('123456789'), 0), 0xcbf43926, 'the check value of the CRC catalogue')
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      const [first, second] = [Buffer.from(a), Buffer.from(b)]
      t.equal(tableCrc32(second, tableCrc32(first, 0)), crc32(Buffer.concat([first, second]), 0))
    }),
    { numRuns: 50 },
  )
})

t.test('the consumer sets the pace', async t => {
  for (const format of formats) {
    const source = new Watched(sample(BLOCK))
    const stream = compress(source, { format, workers: 2 })[Symbol.asyncIterator]()
    // These are gzip's header and three blocks. Two more blocks are being compressed, and one more was read to know
    // that the one before is not the last.
    for (let i = 0; i < 4; i++) await stream.next()
    // A zstd frame takes two of the chunks.
    t.ok(source.asked <= (format === 'zstd' ? 16 : 8), `${format} asked for ${source.asked} chunks to give 4`)
    await stream.return?.()
    t.ok(source.isClosed, `${format} closes its source when left`)
  }
})

t.test('an error of the source is passed on as it is', async t => {
  for (const format of formats) {
    await t.rejects(all(compress(failing(sample(10)), { format })), RangeError, format)
    const packed = await all(compress(cut(sample(BLOCK)), { format }))
    await t.rejects(all(decompress(failing(packed.subarray(0, 5000)))), RangeError, `from ${format}`)
  }
})

function hasZstd(): boolean {
  try {
    return engineOf('zstd') !== ''
  } catch {
    return false
  }
}

function absent(program: string): string | false {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    if (process.env.CI === 'true') throw new Error(`${program} is not installed`)
    return `${program} is not installed`
  }
}

/** Why a test of an engine is skipped; in CI it must not be. */
function missing(engine: string): string | false {
  return process.env.CI === 'true' ? false : `${engine} is not installed`
}
