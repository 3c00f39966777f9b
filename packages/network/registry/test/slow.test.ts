// Tests of slow servers: the total time is limited, even if each single wait is short.
import { digestOf } from '@pipelayer/digest'
import t from 'tap'
import { download, type Repository } from '../src/index.js'
import { BLOB, chunks, DESCRIPTOR, MANIFEST, repository, TYPE, text } from './repository.js'
import { answer, type Handler, inTurn, serve } from './server.js'

const TOTAL_MS = 200
/** Many tries, of which none exceeds a limit by itself. */
const retry = { tries: 1000, baseMs: 1, maxMs: 1, maxAskedMs: 1_000_000, totalMs: TOTAL_MS }

/** Writes a piece every few milliseconds, for ever. */
const trickle =
  (head: (response: Parameters<Handler>[1]) => void, piece: string): Handler =>
  (_request, response) => {
    head(response)
    const socket = response.socket
    const timer = setInterval(() => socket?.write(piece), 10)
    socket?.once('close', () => clearInterval(timer))
  }

const never: Handler = () => undefined
const headersThatTrickle = trickle(response => response.socket?.write('HTTP/1.1 200 OK\r\nX: '), 'a')
const statusesThatTrickle = trickle(() => undefined, 'HTTP/1.1 103 Early Hints\r\n\r\n')
const bodyThatTrickles = trickle(
  response => response.socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BLOB.length * 1000}\r\n\r\n`),
  '{',
)
// Sends one byte, and then the connection breaks, so that each try makes progress.
const bytesThatTrickle: Handler = (request, response) => {
  const first = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const range = { 'content-range': `bytes ${first}-${SLOW.size - 1}/${SLOW.size}` }
  response.writeHead(request.headers.range === undefined ? 200 : 206, {
    ...range,
    'content-length': SLOW.size - first,
  })
  response.write('x')
  setTimeout(() => response.destroy(), 10)
}
const SLOW = { ...DESCRIPTOR, size: BLOB.length * 1000 }

const ASKS: Readonly<Record<string, (repo: Repository) => Promise<unknown>>> = {
  manifest: repo => repo.getManifest('1'),
  blob: repo => text(repo.streamBlob(SLOW)),
  tags: async repo => {
    for await (const _ of repo.tags());
  },
  'HEAD of a blob': repo => repo.hasBlob(DESCRIPTOR),
  upload: repo => repo.uploadBlob(DESCRIPTOR, chunks(BLOB)),
}

t.test('a limit for all tries together', async t => {
  const every = Object.keys(ASKS)
  const reads = ['manifest', 'blob', 'tags']
  const rows: readonly [handler: Handler, asks: readonly string[], why: string][] = [
    [never, every, 'no answer'],
    [headersThatTrickle, every, 'headers that trickle'],
    [statusesThatTrickle, every, 'statuses that announce another one, for ever'],
    [bodyThatTrickles, reads, 'a body that trickles'],
    [bytesThatTrickle, ['blob'], 'a byte for each try'],
    [(_r, response) => void setTimeout(() => response.destroy(), 10), every, 'connections that break late'],
    [answer(429, { 'retry-after': '120' }), every, 'two minutes of patience asked for'],
    [answer(503, { 'retry-after': '0' }), every, 'trouble that stays'],
  ]
  for (const [handler, asks, why] of rows) {
    for (const ask of asks) {
      const { repo } = await repository(t, handler, { retry })
      await t.rejects(
        ASKS[ask]?.(repo) ?? Promise.resolve(),
        { code: 'TIME_LIMIT', status: 75 },
        `${why}: ${ask}`,
      )
    }
  }
})

t.test('a limit for tokens and files of the web', async t => {
  const { host } = await serve(t, bodyThatTrickles)
  const { repo } = await repository(
    t,
    answer(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }),
    {
      retry,
    },
  )
  await t.rejects(repo.getManifest('1'), { code: 'TIME_LIMIT' }, 'a token')
  const run = download(`http://${host}/f`, { retry }, ({ body }) => body.bytes(1_000_000))
  await t.rejects(run, { code: 'TIME_LIMIT', message: /^cannot GET http:.*--timeout/ }, 'a file')
})

t.test('what the limit does not count', async t => {
  const slowly = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
  const blob = Buffer.alloc(1024 * 1024, 'x')
  const descriptor = { ...DESCRIPTOR, size: blob.length, digest: digestOf(blob) }
  const { repo } = await repository(t, answer(200, {}, blob), { retry })
  let read = 0
  for await (const chunk of repo.readBlob(descriptor)) {
    if (read === 0) await slowly(2 * TOTAL_MS)
    read += chunk.length
  }
  t.equal(read, blob.length, 'a reader that takes its time')
  const up = await repository(t, inTurn(answer(202, { location: '/up' }), answer(201)), { retry })
  const open = async function* (): AsyncGenerator<Buffer> {
    await slowly(2 * TOTAL_MS)
    yield BLOB
    await slowly(2 * TOTAL_MS)
  }
  await t.resolves(up.repo.uploadBlob(DESCRIPTOR, open), 'content that takes its time')
  // 20 KB extend the limit by more than a second.
  const paced: Handler = (_request, response) => {
    response.writeHead(200, { 'content-length': 10 * 20_480 })
    let count = 0
    const timer = setInterval(() => {
      response.write(Buffer.alloc(20_480))
      if (++count === 10) clearInterval(timer)
    }, TOTAL_MS / 4)
  }
  const steady = await repository(t, paced, { retry })
  const size = 10 * 20_480
  t.equal((await text(steady.repo.streamBlob({ ...DESCRIPTOR, size }))).length, size, 'what comes gives time')
  const again = await repository(t, inTurn(answer(503), answer(503), answer(200, TYPE, MANIFEST)), { retry })
  t.match(await again.repo.getManifest('1'), { bytes: MANIFEST }, 'trouble that passes in time')
})
