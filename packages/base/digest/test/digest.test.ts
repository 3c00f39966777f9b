import { ToolError } from '@pipelayer/errors'
import t from 'tap'
import {
  algorithmOf,
  chainIDs,
  digestOf,
  encodedOf,
  Hasher,
  isDigest,
  isWellFormedDigest,
  parseDigest,
  verified,
} from '../src/index.js'

const HEX = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
// printf abc | sha256sum, sha384sum, sha512sum
const ABC = {
  sha256: `sha256:${HEX}`,
  sha384:
    'sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
  sha512:
    'sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
} as const

t.test('parseDigest', async t => {
  const rows: readonly [text: string, code: string | undefined, why: string][] = [
    [ABC.sha256, undefined, 'sha256'],
    [ABC.sha384, undefined, 'sha384'],
    [ABC.sha512, undefined, 'sha512'],
    ['', 'DIGEST_INVALID', 'empty'],
    [':', 'DIGEST_INVALID', 'no parts'],
    [HEX, 'DIGEST_INVALID', 'no algorithm'],
    [`sha256:${HEX.toUpperCase()}`, 'DIGEST_INVALID', 'upper-case hex'],
    [`SHA256:${HEX}`, 'DIGEST_INVALID', 'upper-case algorithm'],
    [`sha256:${HEX.slice(2)}`, 'DIGEST_INVALID', 'too short'],
    [`sha256:${HEX}00`, 'DIGEST_INVALID', 'too long'],
    [`sha256:${'../'.repeat(21)}a`, 'DIGEST_INVALID', 'CVE-2024-3727: a path'],
    [`sha256:${HEX}\n`, 'DIGEST_INVALID', 'trailing line break'],
    [` sha256:${HEX}`, 'DIGEST_INVALID', 'leading blank'],
    [`sha256__x:${HEX}`, 'DIGEST_INVALID', 'two separators'],
    [`sha256:${'a'.repeat(5000)}`, 'DIGEST_INVALID', 'absurdly long'],
    [`md5:${HEX}`, 'DIGEST_UNSUPPORTED', 'an algorithm we do not compute'],
    [
      'sha256+b64:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564',
      'DIGEST_UNSUPPORTED',
      'a known one encoded otherwise',
    ],
  ]
  for (const [text, code, why] of rows) {
    t.equal(isDigest(text), code === undefined, `isDigest: ${why}`)
    t.equal(isWellFormedDigest(text), code !== 'DIGEST_INVALID', `well formed: ${why}`)
    if (code === undefined) t.equal(parseDigest(text), text, why)
    else t.throws(() => parseDigest(text), { code, name: 'ToolError' }, why)
  }
  t.equal(isDigest(undefined), false, 'no text at all')
})

t.test('the parts of a digest', async t => {
  t.equal(algorithmOf(ABC.sha512), 'sha512')
  t.equal(encodedOf(ABC.sha256), HEX)
})

t.test('a hasher gives what other programs give, however the bytes are cut', async t => {
  for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
    const hasher = new Hasher(algorithm)
    for (const byte of Buffer.from('abc')) hasher.update(Buffer.of(byte))
    t.equal(hasher.bytes, 3)
    t.equal(hasher.digest(), ABC[algorithm])
    t.equal(digestOf('abc', algorithm), ABC[algorithm])
  }
})

t.test('chainIDs', async t => {
  const [a, b] = [digestOf('a'), digestOf('b')]
  t.same(chainIDs([]), [], 'no layer')
  t.same(chainIDs([a]), [a], 'the lowest chainID is the diffID')
  t.same(chainIDs([a, b]), [a, digestOf(`${a} ${b}`)])
  t.throws(() => chainIDs([a, 'b']), { code: 'DIGEST_INVALID' })
})

t.test('verified', async t => {
  const expected = { digest: ABC.sha256, size: 3 }
  const rows: readonly [
    chunks: string[],
    expected: { digest: string; size?: number },
    code: string,
    why: string,
  ][] = [
    [['abc'], expected, '', 'one chunk'],
    [['a', 'b', '', 'c'], expected, '', 'small chunks, an empty one among them'],
    [['abc'], { digest: ABC.sha256 }, '', 'no size given'],
    [['ab'], expected, 'SIZE_MISMATCH', 'too short'],
    [['ab', 'cd'], expected, 'SIZE_MISMATCH', 'too long'],
    [[], expected, 'SIZE_MISMATCH', 'nothing'],
    [['abd'], expected, 'DIGEST_MISMATCH', 'other bytes'],
    [['ab'], { digest: ABC.sha256 }, 'DIGEST_MISMATCH', 'too short, no size given'],
    [['abc'], { digest: `md5:${HEX}` }, 'DIGEST_UNSUPPORTED', 'an algorithm we do not compute'],
  ]
  for (const [chunks, wanted, code, why] of rows) {
    const run = drain(
      verified(
        chunks.map(chunk => Buffer.from(chunk)),
        wanted,
      ),
    )
    if (code === '') t.equal(await run, chunks.join(''), why)
    else await t.rejects(run, { code, status: 1 }, why)
  }
})

t.test('verified proves the content before the last chunk goes out', async t => {
  const rows: readonly [chunks: readonly string[], out: readonly string[], why: string][] = [
    [['abd'], [], 'one wrong chunk: nothing goes out'],
    [['a', 'b', 'd'], ['a', 'b'], 'all but the last'],
    [['a', 'b', 'd', ''], ['a', 'b'], 'an empty chunk after it'],
  ]
  for (const [chunks, out, why] of rows) {
    const seen: string[] = []
    const run = async (): Promise<void> => {
      const source = chunks.map(text => Buffer.from(text))
      for await (const chunk of verified(source, { digest: ABC.sha256, size: 3 })) seen.push(String(chunk))
    }
    await t.rejects(run(), { code: 'DIGEST_MISMATCH' }, why)
    t.same(seen, out, why)
  }
  const right = ['a', '', 'bc', '', ''].map(text => Buffer.from(text))
  await t.resolves(drain(verified(right, { digest: ABC.sha256, size: 3 })), 'empty chunks behind the end')
})

t.test('verified stops a source that is too long', async t => {
  let sent = 0
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      sent++
      yield Buffer.alloc(10)
    }
  }
  await t.rejects(drain(verified(endless(), { digest: ABC.sha256, size: 25 })), { code: 'SIZE_MISMATCH' })
  t.equal(sent, 3, 'at the first chunk that is too much')
})

t.test('verified passes the error of its source on', async t => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('ab')
    throw new ToolError('CONNECTION_LOST', 'gone', { status: 75 })
  }
  await t.rejects(drain(verified(broken(), { digest: ABC.sha256, size: 3 })), {
    code: 'CONNECTION_LOST',
    status: 75,
  })
})

async function drain(source: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of source) text += chunk
  return text
}
