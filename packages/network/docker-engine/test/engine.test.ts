// An engine that answers well or badly, on a socket.
import fs from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { type Scope, serve, serveSocket, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { Engine, findEngine } from '../src/index.js'

/** What an error has to be. */
type Outcome = { readonly code: string; readonly status?: number; readonly message?: RegExp }

type Answer = (request: IncomingMessage, response: ServerResponse) => void
const NAME = 'app:1'
const MIB = 1024 * 1024

/** An engine whose answers are those of Docker 20.10, but for these addresses. */
const engineWith =
  (answers: Readonly<Record<string, Answer>>): Answer =>
  (request, response) => {
    const answer = answers[request.url ?? '']
    if (answer !== undefined) answer(request, response)
    else if (request.url === '/_ping') response.setHeader('API-Version', '1.41').end('OK')
    else response.writeHead(404).end('{"message":"page not found"}')
  }

const says =
  (status: number, text: string): Answer =>
  (request, response) => {
    request.resume()
    response.writeHead(status).end(text)
  }

const cut: Answer = (request, response) => {
  request.resume()
  response.write('{"stream":"Loaded image: app:1"}\n', () => response.destroy())
}

function connect({ url }: { readonly url: string }, signal?: AbortSignal): Promise<Engine> {
  return Engine.connect(findEngine({ DOCKER_HOST: url }), { signal })
}

async function savedBy(t: Scope, answers: Readonly<Record<string, Answer>>): Promise<Buffer> {
  const engine = await connect(await serveSocket(t, engineWith(answers)))
  const chunks: Buffer[] = []
  for await (const chunk of engine.saved(NAME)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

t.test('the version', async t => {
  const version = (value: unknown): Answer => says(200, JSON.stringify({ ApiVersion: value }))
  const bare = says(200, 'OK')
  const rows: readonly [answers: Record<string, Answer>, outcome: Outcome | undefined, why: string][] = [
    [{}, undefined, 'Docker'],
    [{ '/_ping': bare, '/version': version('1.24') }, undefined, 'the oldest, which says it elsewhere'],
    [
      { '/_ping': (_q, response) => response.setHeader('Api-Version', '1.99').end() },
      undefined,
      'a later one',
    ],
    [{ '/_ping': bare, '/version': version('1.23') }, { code: 'ENGINE_TOO_OLD' }, 'too old'],
    [
      { '/_ping': bare, '/version': version('x\x1b') },
      { code: 'ENGINE_INVALID', message: /x\\x1b/ },
      'no version',
    ],
    [{ '/_ping': bare, '/version': version(1.41) }, { code: 'ENGINE_INVALID' }, 'a number'],
    [{ '/_ping': bare }, { code: 'ENGINE_INVALID', message: /says no version/ }, 'some web server'],
    [
      { '/_ping': says(404, '<html>') },
      { code: 'ENGINE_FAILED', message: /answered 404: <html>/ },
      'another one',
    ],
    [
      { '/_ping': says(500, '{"message":"out of\\norder"}') },
      { code: 'ENGINE_FAILED', message: /answered 500: out of order/ },
      'an engine in trouble',
    ],
    [{ '/_ping': says(200, 'x'.repeat(2 * MIB)) }, { code: 'ENGINE_INVALID' }, 'a flood'],
    [
      { '/_ping': (_q, response) => response.destroy() },
      { code: 'ENGINE_UNREACHABLE', status: 75 },
      'a hang-up',
    ],
  ]
  for (const [answers, outcome, why] of rows) {
    const connected = connect(await serveSocket(t, engineWith(answers)))
    if (outcome === undefined) await t.resolves(connected, why)
    else await t.rejects(connected, outcome, why)
  }
  await t.rejects(connect({ url: 'unix:///none/x' }), { code: 'ENGINE_UNREACHABLE', status: 75 })
  const file = path.join(tempDir(t, 'dead'), 's')
  fs.writeFileSync(file, '')
  await t.rejects(connect({ url: `unix://${file}` }), { code: 'ENGINE_UNREACHABLE' }, 'no socket')
  await t.resolves(connect(await serve(t, engineWith({}))), 'over TCP')
  const below = { '/deep/_ping': says(200, ''), '/deep/version': version('1.40') }
  const { url } = await serve(t, engineWith(below))
  await t.resolves(connect({ url: `${url}/deep` }), 'below a path')
})

t.test('what speaks no HTTP', async t => {
  const socket = path.join(tempDir(t, 'raw'), 's')
  const server = net.createServer(client => client.end('SSH-2.0-x\r\n'))
  await new Promise<void>(resolve => server.listen(socket, resolve))
  t.teardown(() => server.close())
  await t.rejects(connect({ url: `unix://${socket}` }), { code: 'ENGINE_INVALID', message: /no HTTP/ })
})

t.test('an archive is read', async t => {
  const get = '/v1.41/images/app:1/get'
  const asked = '/v1.41/images/app:1/json'
  const tar = Buffer.concat([Buffer.from('{"error":"a file of a layer"}'), Buffer.alloc(1024)])
  t.same(await savedBy(t, { [get]: (_q, response) => response.end(tar) }), tar, 'its bytes')
  const failing = (...parts: readonly string[]): Answer => {
    return (_q, response) => {
      for (const part of parts) response.write(part)
      response.end()
    }
  }
  const late = '{"errorDetail":{"message":"no space"},"error":"no space"}\r\n'
  const rows: readonly [answers: Record<string, Answer>, outcome: Outcome, why: string][] = [
    [{}, { code: 'MANIFEST_UNKNOWN', message: /no image app:1 in the engine at unix:/ }, '404'],
    [{ [get]: says(500, '{"message":"open x"}') }, { code: 'MANIFEST_UNKNOWN' }, '500 for what is not there'],
    [
      { [get]: says(500, '{"message":"\\u001b[31m disk"}'), [asked]: says(200, '{}') },
      {
        code: 'ENGINE_FAILED',
        status: 1,
        message: /cannot save the image app:1: it answered 500: \\x1b\[31m disk/,
      },
      '500 for what is there',
    ],
    [
      { [get]: failing('x'.repeat(MIB), late) },
      { code: 'ENGINE_FAILED', message: /no space/ },
      'an error at the end',
    ],
    [{ [get]: failing(late) }, { code: 'ENGINE_FAILED', message: /no space/ }, 'nothing but an error'],
    [{ [get]: cut }, { code: 'ENGINE_UNREACHABLE', status: 75 }, 'a cut'],
  ]
  for (const [answers, outcome, why] of rows) await t.rejects(savedBy(t, answers), outcome, why)
})

t.test('an archive is loaded', async t => {
  const load = '/v1.41/images/load?quiet=1'
  const loaded = async (answer: Answer, mib = 1): Promise<readonly string[]> => {
    const engine = await connect(await serveSocket(t, engineWith({ [load]: answer })))
    const sent = await engine.load()
    try {
      for (let at = 0; at < mib; at++) await sent.write(Buffer.alloc(MIB, 'x'))
      return await sent.finish()
    } finally {
      sent.abort()
    }
  }
  const after = (...lines: readonly string[]): Answer => {
    return (request, response) => {
      request.resume().on('end', () => response.end(lines.join('')))
    }
  }
  const line = (message: object): string => `${JSON.stringify(message)}\r\n`
  const good: readonly [lines: readonly string[], names: readonly string[], why: string][] = [
    [
      [line({ stream: 'Loaded image: a:1\n' }), line({ stream: 'Loaded image: b:2\n' })],
      ['a:1', 'b:2'],
      'Docker',
    ],
    [
      [line({ stream: 'Loaded image ID: sha256:1\nLoaded image ID: sha256:2\n' })],
      ['sha256:1', 'sha256:2'],
      'ids',
    ],
    [['{"stream":"Loaded image: a:1,b:2"}'], ['a:1', 'b:2'], 'podman'],
    [
      [
        line({ status: 'Loading layer', progressDetail: {} }),
        line({ stream: 'The image a:1 already exists' }),
      ],
      [],
      '',
    ],
    [[line({ stream: 5 }), line({ error: null })], [], 'fields of other types'],
    [[], [], 'nothing'],
  ]
  for (const [lines, names, why] of good) t.same(await loaded(after(...lines)), names, why)

  let body = 0
  const whole = await loaded((request, response) => {
    request.on('data', chunk => {
      body += chunk.length
    })
    request.on('end', () => response.end(line({ stream: 'Loaded image: a:1\n' })))
  }, 20)
  t.same([whole, body], [['a:1'], 20 * MIB], 'all bytes come')

  const error = line({ errorDetail: { message: 'no space\n\x1b[2J' }, error: 'no space' })
  const early: Answer = (_request, response) => response.end(error, () => response.socket?.destroySoon())
  const bad: readonly [answer: Answer, outcome: Outcome, why: string][] = [
    [
      after(line({ stream: 'Loaded image: a:1' }), error),
      { code: 'ENGINE_FAILED', message: /cannot load the images at unix:.*: no space \\x1b\[2J$/ },
      'an error inside a 200',
    ],
    [after(line({ error: 'older' })), { code: 'ENGINE_FAILED', message: /older/ }, 'without a detail'],
    [
      after(line({ errorDetail: { code: 5 } })),
      { code: 'ENGINE_FAILED', message: /\{"code":5\}/ },
      'without a text',
    ],
    [early, { code: 'ENGINE_FAILED', message: /no space/ }, 'an error before the end of the archive'],
    [says(500, '{"message":"broken"}'), { code: 'ENGINE_FAILED', message: /answered 500: broken/ }, '500'],
    [after('oops'), { code: 'ENGINE_INVALID', message: /no JSON/ }, 'no JSON'],
    [after('[1]'), { code: 'ENGINE_INVALID' }, 'no object'],
    [after('"', 'x'.repeat(2 * MIB)), { code: 'ENGINE_INVALID', message: /a line/ }, 'an endless line'],
    [after(...new Array(70).fill(`${' '.repeat(MIB - 1)}\n`)), { code: 'ENGINE_INVALID' }, 'endless lines'],
    [cut, { code: 'ENGINE_UNREACHABLE', status: 75 }, 'a cut answer'],
    [(_q, response) => response.destroy(), { code: 'ENGINE_UNREACHABLE' }, 'no answer'],
  ]
  for (const [answer, outcome, why] of bad) await t.rejects(loaded(answer, 8), outcome, why)
  t.same(await loaded(after('{"stream":"Loaded image: a:1"}'), 0), ['a:1'], 'an empty archive')
})

t.test('an archive is given up', async t => {
  const ended: boolean[] = []
  const answer: Answer = request => {
    request.resume().on('close', () => ended.push(request.complete))
  }
  const engine = await connect(await serveSocket(t, engineWith({ '/v1.41/images/load?quiet=1': answer })))
  const load = await engine.load()
  await load.write(Buffer.alloc(MIB))
  load.abort()
  await t.rejects(load.finish(), { code: 'ENGINE_UNREACHABLE' })
  await waitUntil('the engine sees it', () => ended.length > 0)
  t.same(ended, [false], 'the end is missing')
  load.abort()

  const stop = new AbortController()
  const silent = await serveSocket(
    t,
    engineWith({ '/v1.41/images/app:1/get': () => stop.abort(new Error('stop')) }),
  )
  const waiting = (await connect(silent, stop.signal)).saved(NAME).next()
  await t.rejects(waiting, { message: 'stop' }, 'a signal ends a request that gets no answer')
})
