// Answers that are not HTTP, byte by byte. Each is a failure of its request, which is tried again and reported in one
// line, and never a bug.
import { ToolError } from '@pipelayer/errors'
import { MEDIA_TYPES } from '@pipelayer/oci'
import t from 'tap'
import { download, Repository } from '../src/index.js'
import { BLOB, chunks, DESCRIPTOR, FAST, MANIFEST, text } from './repository.js'
import { answer, serve, serveBytes } from './server.js'

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const REST = 'Content-Length: 2\r\n\r\n{}'

// Answers that are broken before the body, so that every request fails.
const HEADS: readonly [bytes: string, code: string, why: string][] = [
  ['this is no HTTP\r\n\r\n', 'RESPONSE_INVALID', 'garbage'],
  ['\x15\x03\x01\x00\x02\x02\x0a', 'RESPONSE_INVALID', 'an alert of TLS'],
  ['\x00\x00\x12\x04\x00\x00\x00\x00\x00', 'RESPONSE_INVALID', 'the first frame of HTTP/2'],
  [`HTTP/9.9 200 OK\r\n${REST}`, 'RESPONSE_INVALID', 'a version that does not exist'],
  [`${OK}Content-Length: -1\r\n\r\n{}`, 'RESPONSE_INVALID', 'a negative length'],
  [`${OK}Content-Length: x\r\n\r\n{}`, 'RESPONSE_INVALID', 'a length that is no number'],
  [`${OK}Content-Length: 2\r\n${REST}`, 'CONNECTION_LOST', 'two lengths'],
  [`${OK}Transfer-Encoding: chunked\r\n${REST}`, 'RESPONSE_INVALID', 'a length, and chunks'],
  [`${OK}Content-Length: ${'9'.repeat(30)}\r\n\r\n{}`, 'CONNECTION_LOST', 'a length of 30 digits'],
  [`HTTP/1.1 000 Zero\r\n${REST}`, 'RESPONSE_INVALID', 'status 000'],
  [`HTTP/1.1 099 Low\r\n${REST}`, 'RESPONSE_INVALID', 'a status below 100'],
  [`HTTP/1.1 1000 High\r\n${REST}`, 'RESPONSE_INVALID', 'a status of four digits'],
  [`HTTP/1.1 -1 Minus\r\n${REST}`, 'RESPONSE_INVALID', 'a negative status'],
  ['HTTP/1.1 100 Continue\r\n\r\n', 'CONNECTION_LOST', 'only a status that announces another one'],
  ['HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx', 'CONNECTION_LOST', 'another protocol'],
  [`${OK}X: a\x01b\r\n${REST}`, 'RESPONSE_INVALID', 'a control character in a header'],
  [`${OK}X: a\0b\r\n${REST}`, 'RESPONSE_INVALID', 'a zero byte in a header'],
  [`${OK}X: a\rb\r\n${REST}`, 'RESPONSE_INVALID', 'half a line break in a header'],
  [`${OK}X Y: a\r\n${REST}`, 'RESPONSE_INVALID', 'a blank in the name of a header'],
  [`${OK}: a\r\n${REST}`, 'RESPONSE_INVALID', 'a header without a name'],
  [`${OK}X: ${'a'.repeat(20_000)}\r\n${REST}`, 'RESPONSE_INVALID', 'a header of 20 KB'],
  [`${OK}X: `, 'CONNECTION_LOST', 'headers that are cut'],
  ['', 'CONNECTION_LOST', 'nothing at all'],
]
// Answers that are broken after the headers, so that reading the body fails.
const BODIES: readonly [bytes: string, code: string, why: string][] = [
  [`${CHUNKED}zz\r\n{}\r\n`, 'RESPONSE_INVALID', 'a chunk whose size is no number'],
  [`${CHUNKED}2\r\n{}\r\nzz\r\n`, 'RESPONSE_INVALID', 'the second chunk, too'],
  [`${CHUNKED}${'f'.repeat(24)}\r\n{}`, 'RESPONSE_INVALID', 'a chunk of more bytes than there are'],
  [`${CHUNKED}2\r\n{}\r\n0\r\nX: \x01\r\n\r\n`, 'RESPONSE_INVALID', 'a control character in a trailer'],
  [`${CHUNKED}5\r\n{}`, 'CONNECTION_LOST', 'a chunk that is cut'],
]

type Ask = (host: string) => Promise<unknown>

const repository = (host: string): Repository => new Repository({ domain: host, path: 'a/b', retry: FAST })

async function using(host: string, work: (repo: Repository) => Promise<unknown>): Promise<unknown> {
  const repo = repository(host)
  try {
    return await work(repo)
  } finally {
    await repo.close()
  }
}

async function list(names: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const name of names) all.push(name)
  return all
}

const READS: Readonly<Record<string, Ask>> = {
  manifest: host => using(host, repo => repo.getManifest('1')),
  blob: host => using(host, repo => text(repo.readBlob(DESCRIPTOR))),
  tags: host => using(host, repo => list(repo.tags())),
  'file of the web': host =>
    download(`http://${host}/f`, { retry: FAST }, ({ body }) => body.bytes(1_000_000)),
}
const WRITES: Readonly<Record<string, Ask>> = {
  'HEAD of a blob': host => using(host, repo => repo.hasBlob(DESCRIPTOR)),
  upload: host => using(host, repo => repo.uploadBlob(DESCRIPTOR, chunks(BLOB))),
  'put of a manifest': host =>
    using(host, repo => repo.putManifest('1', { bytes: MANIFEST, mediaType: MEDIA_TYPES.ociManifest })),
}

async function check(
  t: Tap,
  [bytes, code, why]: readonly [string, string, string],
  asks: typeof READS,
): Promise<void> {
  for (const [what, ask] of Object.entries(asks)) {
    const { host, asked } = await serveBytes(t, bytes)
    const error = await ask(host).catch((reason: unknown) => reason)
    t.ok(error instanceof ToolError, `a failure that is explained: ${why}, ${what}`)
    t.match(error, { code, status: 75 }, `${why}: ${what}`)
    t.equal(asked(), FAST.tries, `as often as other failures: ${why}, ${what}`)
    t.notMatch((error as Error).message, /[\0-\x1f]/, `one harmless line: ${why}`)
  }
}

type Tap = Parameters<typeof serveBytes>[0] & Pick<typeof t, 'ok' | 'match' | 'equal' | 'notMatch'>

t.test('answers that are not HTTP', async t => {
  for (const row of HEADS) await check(t, row, { ...READS, ...WRITES })
  for (const row of BODIES) await check(t, row, READS)
})

t.test('a token that does not come', async t => {
  for (const [bytes, code, why] of [...HEADS.slice(0, 1), ...BODIES]) {
    const { host, asked } = await serveBytes(t, bytes)
    const realm = `Bearer realm="http://${host}/token"`
    const registry = await serve(t, answer(401, { 'www-authenticate': realm }))
    const repo = repository(registry.host)
    await t.rejects(repo.getManifest('1'), { code, status: 75 }, why)
    t.equal(asked(), FAST.tries, `asked as often as others: ${why}`)
    t.equal(registry.seen.length, 1, `and the registry once: ${why}`)
    await repo.close()
  }
})

t.test('what the content of an upload throws stays what it is', async t => {
  const bug = new TypeError('a bug of ours')
  const open = async function* (): AsyncGenerator<Buffer> {
    yield BLOB.subarray(0, 5)
    throw bug
  }
  const { host } = await serve(t, answer(202, { location: '/up' }))
  await t.rejects(
    using(host, repo => repo.uploadBlob(DESCRIPTOR, open)),
    bug,
  )
})
