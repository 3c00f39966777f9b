import t from 'tap'
import {
  Connections,
  checkTarget,
  endpointOf,
  isLoopback,
  mergeScopes,
  parseChallenges,
  parseContentRange,
  Repository,
} from '../src/index.js'
import { retryAfter } from '../src/retry.js'
import { BLOB, DESCRIPTOR, FAST, MANIFEST, me, repository, TYPE, text } from './repository.js'
import { answer, type Handler, inTurn, serve } from './server.js'

t.test('redirects take no credentials along', async t => {
  const storage = await serve(t, answer(200, {}, BLOB))
  const challenge = answer(401, { 'www-authenticate': 'Basic realm="x"' })
  const send: Handler = (request, response) =>
    (request.headers.authorization === undefined
      ? challenge
      : answer(307, { location: `http://${storage.host}/x?X-Signature=secret` }))(request, response)
  const { repo, seen } = await repository(t, send, { credentials: async () => me })
  t.equal(await text(repo.readBlob(DESCRIPTOR)), String(BLOB))
  t.same(
    seen.map(({ headers }) => headers.authorization),
    [undefined, `Basic ${Buffer.from('me:p:w').toString('base64')}`],
    'nothing before it is asked for',
  )
  t.same(
    storage.seen.map(({ headers }) => headers.authorization),
    [undefined],
  )
})

t.test('a 401 of another host has no say', async t => {
  const thief = await serve(t, answer(401, { 'www-authenticate': 'Basic realm="give"' }))
  const { repo } = await repository(t, answer(302, { location: `http://${thief.host}/x?secret=1` }), {
    credentials: async () => me,
  })
  const error = await text(repo.readBlob(DESCRIPTOR)).catch((reason: Error) => reason)
  t.match(error, { code: 'UNAUTHORIZED' })
  t.notMatch((error as Error).message, /secret/, 'a query may hold a signature')
  t.same(
    thief.seen.map(({ headers }) => headers.authorization),
    [undefined],
  )
})

// A registry that wants a token, and its token server at /token.
function guarded(
  token: Handler,
  challenge = 'Bearer realm="http://HOST/token",service="s, with comma",scope="repository:a/b:pull"',
): Handler {
  return (request, response) => {
    if (request.url.startsWith('/token')) return token(request, response)
    if (request.headers.authorization === 'Bearer good') return answer(200, TYPE, MANIFEST)(request, response)
    answer(401, { 'www-authenticate': challenge.replace('HOST', String(request.headers.host)) })(
      request,
      response,
    )
  }
}

t.test('tokens', async t => {
  const good = answer(200, {}, '{"token":"good","expires_in":300}')
  const identity = { identityToken: 'refresh' }
  const rows: readonly [
    token: Handler,
    credentials: object | undefined,
    code: string | undefined,
    why: string,
  ][] = [
    [good, undefined, undefined, 'anonymous'],
    [good, me, undefined, 'with a password'],
    [answer(200, {}, '{"access_token":"good"}'), identity, undefined, 'for an identity token'],
    [inTurn(answer(500), good), undefined, undefined, 'a token server that recovers'],
    [good, { registryToken: 'good' }, undefined, 'a token that was there before'],
    [good, { registryToken: 'a\nb' }, 'REQUEST_INVALID', 'a configured token that breaks the line'],
    [answer(200, {}, '{"token":"bad"}'), undefined, 'UNAUTHORIZED', 'a token that does not help: no loop'],
    [answer(200, {}, '{}'), undefined, 'TOKEN_INVALID', 'no token'],
    [answer(200, {}, '{"token":"a\\nb"}'), undefined, 'TOKEN_INVALID', 'a token that breaks the line'],
    [answer(200, {}, '<html>'), undefined, 'TOKEN_INVALID', 'a page'],
    [answer(200, {}, Buffer.alloc(2 * 1024 * 1024, 32)), undefined, 'TOKEN_INVALID', 'a huge page'],
    [answer(401), me, 'UNAUTHORIZED', 'wrong password'],
    [answer(404), undefined, 'UNAUTHORIZED', 'no token server there'],
    [
      answer(302, { location: 'http://169.254.169.254/' }),
      me,
      'ADDRESS_REFUSED',
      'a token server that sends us on',
    ],
  ]
  for (const [token, credentials, code, why] of rows) {
    const { repo } = await repository(t, guarded(token), { credentials: async () => credentials })
    const run = repo.getManifest('1')
    if (code === undefined) t.match(await run, { bytes: MANIFEST }, why)
    else await t.rejects(run, { code, status: 1 }, why)
  }
})

t.test('a refusal says whether there were credentials', async t => {
  const refused = /the credentials of "me" for 127.* were refused: registry-login 127.* takes new ones\)$/
  const none = /no credentials for 127.* are configured\)$/
  const basicOnly = 'Basic realm="x"'
  const rows: readonly [handler: Handler, credentials: object | undefined, message: RegExp, why: string][] = [
    [guarded(answer(500), basicOnly), me, refused, 'a wrong password, Basic'],
    [guarded(answer(500), basicOnly), undefined, none, 'none, Basic'],
    [guarded(answer(401)), me, refused, 'a wrong password at the token server'],
    [guarded(answer(401)), undefined, none, 'none, and the token server wants some'],
    [guarded(answer(200, {}, '{"token":"bad"}')), me, refused, 'a token that does not help'],
    [guarded(answer(200, {}, '{"token":"bad"}')), undefined, none, 'one for nobody that does not help'],
    [guarded(answer(401)), { identityToken: 'old' }, /the credentials for 127.* were refused/, 'an old one'],
  ]
  for (const [handler, credentials, message, why] of rows) {
    const { repo } = await repository(t, handler, { credentials: async () => credentials })
    await t.rejects(repo.getManifest('1'), { code: 'UNAUTHORIZED', status: 1, message }, why)
    await t.rejects(repo.getManifest('1'), { code: 'UNAUTHORIZED', message }, `${why}, the second time`)
  }
})

t.test('what a token server is asked', async t => {
  const good = answer(200, {}, '{"token":"good"}')
  const first = await repository(t, guarded(good), { credentials: async () => me })
  await Promise.all([first.repo.getManifest('1'), first.repo.getManifest('2')])
  await first.repo.getManifest('3')
  const asked = first.seen.filter(({ url }) => url.startsWith('/token'))
  const query = new URLSearchParams(asked[0]?.url.split('?')[1])
  t.same(query.getAll('scope'), ['repository:a/b:pull'])
  t.equal(query.get('service'), 's, with comma')
  t.equal(query.get('account'), 'me')
  t.equal(asked[0]?.headers.authorization, `Basic ${Buffer.from('me:p:w').toString('base64')}`)
  t.equal(asked.length, 1, 'a token is kept, and fetched once by requests side by side')
  const second = await repository(t, guarded(good), { credentials: async () => ({ identityToken: 'r&s' }) })
  await second.repo.getManifest('1')
  const post = second.seen.find(({ url }) => url.startsWith('/token'))
  t.equal(post?.method, 'POST')
  t.match(Object.fromEntries(new URLSearchParams(String(post?.body))), {
    grant_type: 'refresh_token',
    refresh_token: 'r&s',
    scope: 'repository:a/b:pull',
  })
})

t.test('clocks that are wrong', async t => {
  const rows: readonly { body: string; now: number; why: string }[] = [
    {
      body: '{"token":"good","expires_in":300,"issued_at":"1999-01-01T00:00:00Z"}',
      now: 0,
      why: 'theirs is behind',
    },
    {
      body: '{"token":"good","expires_in":300,"issued_at":"2099-01-01T00:00:00Z"}',
      now: 0,
      why: 'theirs is ahead',
    },
    { body: '{"token":"good","expires_in":300}', now: 1e13, why: 'ours jumps ahead' },
    { body: '{"token":"good","expires_in":300}', now: -1e13, why: 'ours jumps back' },
    {
      body: '{"token":"good","expires_in":-5}',
      now: 0,
      why: 'it says that its tokens are old when they come',
    },
  ]
  const clock = Date.now
  t.teardown(() => {
    Date.now = clock
  })
  for (const { body, now, why } of rows) {
    const { repo, seen } = await repository(t, guarded(answer(200, {}, body)))
    await repo.getManifest('1')
    Date.now = () => clock() + now
    await repo.getManifest('1')
    Date.now = clock
    t.equal(seen.filter(({ url }) => url.startsWith('/token')).length, 1, why)
  }
  // A token that the server refuses before its stated end is fetched again, once.
  let current = 1
  const strict: Handler = (request, response) => {
    if (request.url.startsWith('/token'))
      return answer(200, {}, `{"token":"t${current}","expires_in":300}`)(request, response)
    if (request.headers.authorization === `Bearer t${current}`)
      return answer(200, TYPE, MANIFEST)(request, response)
    const challenge = `Bearer realm="http://${request.headers.host}/token"`
    return answer(401, { 'www-authenticate': challenge })(request, response)
  }
  const { repo, seen } = await repository(t, strict)
  await repo.getManifest('1')
  current = 2
  t.match(await repo.getManifest('1'), { bytes: MANIFEST }, 'an old token is replaced')
  t.equal(seen.filter(({ url }) => url.startsWith('/token')).length, 2)
})

t.test('repositories of one run share connections and what a registry asks for', async t => {
  const good = answer(200, {}, '{"token":"good"}')
  const connections = new Connections()
  t.teardown(() => connections.close())
  const { repo, seen, host } = await repository(t, guarded(good), { connections })
  await repo.getManifest('1')
  const other = new Repository({ domain: host, path: 'c/d', retry: FAST, connections })
  await other.getManifest('1')
  t.same(
    seen.map(({ url }) => new URL(url, 'http://x').pathname),
    ['/v2/a/b/manifests/1', '/token', '/v2/a/b/manifests/1', '/token', '/v2/c/d/manifests/1'],
    'the second one is not refused before it asks for a token',
  )
  const query = new URLSearchParams(seen[3]?.url.split('?')[1])
  t.same(query.getAll('scope'), ['repository:c/d:pull'], 'of its own, and nothing of the first')
  await other.close()
  t.match(
    await repo.getManifest('1'),
    { bytes: MANIFEST },
    'one that is closed leaves the others their connections',
  )
})

t.test('challenges that lead astray', async t => {
  const none = answer(500)
  const rows: readonly [challenge: string, code: string, why: string][] = [
    ['Bearer realm="http://169.254.169.254/token"', 'ADDRESS_REFUSED', 'realm inside the network'],
    ['Bearer realm="ftp://x/token"', 'ADDRESS_REFUSED', 'realm that is no web address'],
    ['Bearer realm="http://u:p@127.0.0.1/token"', 'ADDRESS_REFUSED', 'realm with credentials'],
    ['Bearer service="x"', 'TOKEN_INVALID', 'no realm'],
    ['Negotiate', 'UNAUTHORIZED', 'a scheme we do not speak'],
    ['Basic realm="x"', 'UNAUTHORIZED', 'Basic, and wrong'],
  ]
  for (const [challenge, code, why] of rows) {
    const { repo, seen } = await repository(t, guarded(none, challenge), { credentials: async () => me })
    await t.rejects(repo.getManifest('1'), { code }, why)
    t.ok(seen.length <= 2, `no loop: ${why}`)
  }
  const { repo } = await repository(t, guarded(none, 'Basic realm="x"'))
  await t.rejects(repo.getManifest('1'), /no credentials for 127.* are configured/)
})

t.test('parseChallenges', async t => {
  const rows: readonly [header: string | string[], challenges: object[], why: string][] = [
    ['', [], 'empty'],
    ['"", Basic realm=a', [{ scheme: 'basic', realm: 'a' }], 'an empty string names no scheme'],
    [
      'Basic realm="a, b=\\"c"',
      [{ scheme: 'basic', realm: 'a, b="c' }],
      'commas, equals signs and escapes in quotes',
    ],
    ['BEARER Realm=x , Service = "y"', [{ scheme: 'bearer', realm: 'x', service: 'y' }], 'case and blanks'],
    [
      'Basic realm=a, Bearer realm=b',
      [
        { scheme: 'basic', realm: 'a' },
        { scheme: 'bearer', realm: 'b' },
      ],
      'two',
    ],
    [
      ['Basic realm=a', 'Bearer realm=b'],
      [
        { scheme: 'basic', realm: 'a' },
        { scheme: 'bearer', realm: 'b' },
      ],
      'two headers',
    ],
    [
      'Negotiate, Basic realm=a',
      [{ scheme: 'negotiate' }, { scheme: 'basic', realm: 'a' }],
      'one without parameters',
    ],
    ['NTLM abc==, Basic realm=a', [{ scheme: 'ntlm' }, { scheme: 'basic', realm: 'a' }], 'token68'],
    ['Bearer realm="x",service="y', [{ scheme: 'bearer', realm: 'x' }], 'cut'],
    [`Bearer ${'a='.repeat(20_000)}`, [{ scheme: 'bearer', a: 'a=' }], 'nonsense, quickly'],
  ]
  for (const [header, challenges, why] of rows) {
    const got = parseChallenges(header).map(({ scheme, params }) => ({
      scheme,
      ...Object.fromEntries(params),
    }))
    if (why.startsWith('nonsense')) t.equal(got[0]?.scheme, 'bearer', why)
    else t.same(got, challenges, why)
  }
})

t.test('small parsers', async t => {
  t.same(mergeScopes(['repository:a:push', 'repository:a:pull', '', 'x']), ['repository:a:pull,push', 'x'])
  t.same(parseContentRange('bytes 2-5/10'), { first: 2, last: 5, complete: 10 })
  for (const bad of ['', 'bytes 5-2/10', 'bytes 0-10/10', 'bytes */10', 'items 0-1/2']) {
    t.equal(parseContentRange(bad), undefined, JSON.stringify(bad))
  }
  t.equal(retryAfter('3', 0), 3000)
  t.equal(retryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4000), 6000, 'a date')
  t.equal(retryAfter('soon', 0), undefined)
  t.equal(endpointOf('docker.io').href, 'https://registry-1.docker.io/v2/')
  t.equal(endpointOf('h.example', { plainHttp: true }).protocol, 'http:')
  for (const host of ['localhost', 'localhost:1', '127.9.9.9', '[::1]:5', '::1', '0:0:0:0:0:0:0:1'])
    t.ok(isLoopback(host), host)
  for (const host of ['', 'localhost.evil', '127.0.0.1.evil', '128.0.0.1', '[::2]', '0.0.0.0'])
    t.notOk(isLoopback(host), host)
})

t.test('addresses that servers send us to', async t => {
  const rows: readonly [target: string, registry: string, allowed: boolean, why: string][] = [
    ['https://cdn.example/x', 'https://r.example', true, 'another host'],
    ['http://cdn.example/x', 'https://r.example', false, 'from https to http'],
    ['http://cdn.example/x', 'http://r.example', true, 'plain all along'],
    ['https://10.0.0.1/x', 'https://r.example', false, 'private'],
    ['https://10.0.0.1/x', 'https://10.0.0.1:5000', true, 'the registry itself'],
    ['https://0x7f.1/', 'https://r.example', false, 'loopback in disguise'],
    ['https://2130706433/', 'https://r.example', false, 'loopback as a number'],
    ['https://[::ffff:169.254.169.254]/', 'https://r.example', false, 'mapped to IPv6'],
    ['https://[fd00::1]/', 'https://r.example', false, 'private IPv6'],
    ['https://localhost/', 'https://r.example', false, 'localhost'],
    ['https://user@h.example/', 'https://r.example', false, 'credentials'],
  ]
  for (const [target, registry, allowed, why] of rows) {
    const run = (): unknown => checkTarget(new URL(target), new URL(registry))
    if (allowed) t.doesNotThrow(run, why)
    else t.throws(run, { code: 'ADDRESS_REFUSED', status: 1 }, why)
  }
})
