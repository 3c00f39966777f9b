// Tests of the addresses to which servers may send us. Name resolution and connections are replaced.
import t from 'tap'
import { kindOfAddress } from '../src/address.js'
import { checkTarget, download, Repository } from '../src/index.js'
import { BLOB, chunks, DESCRIPTOR, FAST, MANIFEST, TYPE, text } from './repository.js'
import { answer, type Handler, serve } from './server.js'
import { standIn } from './stand-in.js'

t.test('what kind of network an address is of', async t => {
  const rows: readonly [address: string, kind: string | undefined, why: string][] = [
    ['8.8.8.8', 'public', "anybody's"],
    ['2606:4700::1111', 'public', "anybody's"],
    ['10.255.0.1', 'private', 'private'],
    ['172.15.255.255', 'public', 'just below 172.16.0.0/12'],
    ['172.16.0.0', 'private', 'its first'],
    ['172.31.255.255', 'private', 'its last'],
    ['192.168.1.1', 'private', 'private'],
    ['100.63.255.255', 'public', 'just below 100.64.0.0/10'],
    ['100.64.0.1', 'private', 'shared by providers: 100.64.0.0/10'],
    ['100.127.255.255', 'private', 'its last'],
    ['198.18.0.1', 'private', 'for benchmarks'],
    ['fd00::1', 'private', 'unique local'],
    ['fec0::1', 'private', 'site-local, once'],
    ['64:ff9b:1::1', 'private', 'translated within a network'],
    ['127.8.9.1', 'loopback', 'loopback'],
    ['::1', 'loopback', 'loopback'],
    ['0.0.0.0', 'special', 'this host, for most systems'],
    ['0.1.2.3', 'special', 'this network'],
    ['169.254.169.254', 'special', 'link-local: secrets of a cloud machine'],
    ['192.0.0.192', 'special', 'protocol assignments: secrets of another cloud'],
    ['192.0.2.1', 'special', 'documentation'],
    ['224.0.0.1', 'special', 'multicast'],
    ['255.255.255.255', 'special', 'broadcast'],
    ['::', 'special', 'unspecified'],
    ['fe80::1%eth0', 'special', 'link-local, with a zone'],
    ['ff02::1', 'special', 'multicast'],
    ['2001:db8::1', 'special', 'documentation'],
    ['::ffff:169.254.169.254', 'special', 'IPv4 mapped'],
    ['::ffff:7f00:1', 'loopback', 'IPv4 mapped, in hexadecimal digits'],
    ['::10.0.0.1', 'private', 'IPv4 compatible: ::a.b.c.d'],
    ['::127.0.0.1', 'loopback', 'IPv4 compatible, loopback'],
    ['::ffff:0:10.0.0.1', 'private', 'IPv4 translated'],
    ['64:ff9b::169.254.169.254', 'special', 'behind a gateway to IPv4: 64:ff9b::/96'],
    ['64:ff9b::8.8.8.8', 'public', 'behind such a gateway, and public: networks of IPv6 alone need it'],
    ['2002:7f00:1::', 'loopback', '6to4'],
    ['2002:808:808::', 'public', '6to4, public'],
    ['2606::5efe:10.0.0.1', 'private', 'ISATAP'],
    ['[::1]', 'loopback', 'in brackets, as URLs have it'],
    ['localhost', undefined, 'a name'],
    ['', undefined, 'nothing'],
  ]
  for (const [address, kind, why] of rows) t.equal(kindOfAddress(address), kind, `${address}: ${why}`)
})

t.test('addresses in the text', async t => {
  const registry = new URL('https://r.example')
  const refused = [
    ...['100.64.0.1', '[64:ff9b::a00:1]', '[::7f00:1]', '[::10.0.0.1]', 'localhost.', 'x.localhost.', '[::]'],
    ...['224.0.0.1', '0.0.0.0', '198.18.0.1', '127.0.0.1.', '0177.0.0.1', '[fe80::1]', '[2002:a00:1::]'],
  ]
  for (const host of refused) {
    t.throws(() => checkTarget(new URL(`https://${host}/`), registry), { code: 'ADDRESS_REFUSED' }, host)
  }
  const own = new URL('https://registry.localhost:5000')
  t.doesNotThrow(
    () => checkTarget(new URL('https://registry.localhost./x'), own),
    'the registry itself, with a dot',
  )
})

interface Row {
  /** Addresses of `registry.test` and of `other.test`, to which it sends us; one for each look-up. */
  readonly registry: readonly string[]
  readonly other: readonly string[]
  readonly allowed: boolean
  readonly why: string
}

const ROWS: readonly Row[] = [
  { registry: ['1.1.1.1'], other: ['8.8.8.8'], allowed: true, why: 'a public host' },
  { registry: ['1.1.1.1'], other: ['127.0.0.1'], allowed: false, why: 'a name of this machine' },
  { registry: ['1.1.1.1'], other: ['::1'], allowed: false, why: 'a name of this machine in IPv6' },
  { registry: ['1.1.1.1'], other: ['10.0.0.1'], allowed: false, why: 'a name in the private network' },
  { registry: ['1.1.1.1'], other: ['100.64.0.1'], allowed: false, why: 'a name in an overlay network' },
  {
    registry: ['1.1.1.1'],
    other: ['169.254.169.254'],
    allowed: false,
    why: 'a name of the metadata service',
  },
  { registry: ['1.1.1.1'], other: ['64:ff9b::a9fe:a9fe'], allowed: false, why: 'that, behind a gateway' },
  { registry: ['1.1.1.1'], other: ['0.0.0.0'], allowed: false, why: 'a name of no address' },
  {
    registry: ['1.1.1.1'],
    other: ['127.0.0.1 8.8.8.8'],
    allowed: true,
    why: 'both: the public one is taken',
  },
  { registry: ['10.0.0.5'], other: ['10.0.0.6'], allowed: true, why: 'both in a private network' },
  {
    registry: ['10.0.0.5'],
    other: ['8.8.8.8'],
    allowed: true,
    why: 'from a private network to a public host',
  },
  { registry: ['10.0.0.5'], other: ['127.0.0.1'], allowed: false, why: 'from there to this machine' },
  {
    registry: ['10.0.0.5'],
    other: ['169.254.169.254'],
    allowed: false,
    why: 'from there to the metadata service',
  },
  {
    registry: ['198.18.0.5'],
    other: ['198.18.0.6'],
    allowed: true,
    why: 'a local proxy that stands for every name',
  },
  {
    registry: ['127.0.0.1'],
    other: ['127.0.0.1'],
    allowed: true,
    why: 'a registry of this machine, and its neighbour',
  },
  { registry: ['127.0.0.1'], other: ['10.0.0.6'], allowed: true, why: 'a tunnel to a private network' },
  {
    registry: ['127.0.0.1'],
    other: ['169.254.169.254'],
    allowed: false,
    why: 'a tunnel, and the metadata service',
  },
  {
    registry: ['1.1.1.1 10.0.0.5'],
    other: ['10.0.0.6'],
    allowed: false,
    why: 'a registry that is both is public',
  },
]

// The kinds of requests that lead to another host; `home` and `away` are the handlers for both hosts.
const KINDS: Readonly<
  Record<string, { home: Handler; away: Handler; ask: (repo: Repository) => Promise<unknown> }>
> = {
  'a token server': {
    home: (request, response) =>
      (request.headers.authorization === 'Bearer good'
        ? answer(200, TYPE, MANIFEST)
        : answer(401, { 'www-authenticate': 'Bearer realm="http://other.test/token"' }))(request, response),
    away: answer(200, {}, '{"token":"good"}'),
    ask: repo => repo.getManifest('1'),
  },
  'a redirect': {
    home: answer(307, { location: 'http://other.test/blob' }),
    away: answer(200, {}, BLOB),
    ask: repo => text(repo.readBlob(DESCRIPTOR)),
  },
  'an upload': {
    home: answer(202, { location: 'http://other.test/up' }),
    away: answer(201),
    ask: repo => repo.uploadBlob(DESCRIPTOR, chunks(BLOB)),
  },
}

t.test('names that servers send us to', async t => {
  for (const [kind, { home, away, ask }] of Object.entries(KINDS)) {
    for (const { registry, other, allowed, why } of ROWS) {
      const { host } = await serve(t, (request, response) =>
        (request.headers.host === 'registry.test' ? home : away)(request, response),
      )
      const { network, connected } = standIn(host, { 'registry.test': registry, 'other.test': other })
      const repo = new Repository({
        domain: 'registry.test',
        path: 'a/b',
        transport: { plainHttp: true, network },
        retry: FAST,
      })
      if (allowed) await t.resolves(ask(repo), `${kind}: ${why}`)
      else await t.rejects(ask(repo), { code: 'ADDRESS_REFUSED', status: 1 }, `${kind}: ${why}`)
      const last = (other.at(-1) ?? '').split(' ').at(-1)
      t.equal(connected.includes(`${last}:80`), allowed, `who is connected to, ${kind}: ${why}`)
      await repo.close()
    }
  }
})

t.test('names that change their mind', async t => {
  // The registry's name has a public address at the first look-up, and a private one later.
  let asked = 0
  const { host } = await serve(t, (request, response) => {
    if (request.headers.host !== 'registry.test') return answer(200, {}, BLOB)(request, response)
    const headers = { location: 'http://other.test/blob', connection: 'close' }
    return (asked++ === 0 ? answer(503, { connection: 'close' }) : answer(307, headers))(request, response)
  })
  const names = { 'registry.test': ['1.1.1.1', '10.0.0.5'], 'other.test': ['10.0.0.6'] }
  const { network, connected } = standIn(host, names)
  const repo = new Repository({
    domain: 'registry.test',
    path: 'a/b',
    transport: { plainHttp: true, network },
    retry: FAST,
  })
  t.teardown(() => repo.close())
  await t.rejects(text(repo.readBlob(DESCRIPTOR)), {
    code: 'ADDRESS_REFUSED',
    message:
      'registry.test sends us to other.test, which is 10.0.0.6: refused, it is inside the local network',
  })
  t.same(connected, ['1.1.1.1:80', '10.0.0.5:80'])
})

t.test('an upload of another process, before the registry was asked', async t => {
  const { host, seen } = await serve(t, answer(403))
  const { network, connected } = standIn(host, { 'registry.test': ['1.1.1.1'], 'other.test': ['10.0.0.6'] })
  const repo = new Repository({
    domain: 'registry.test',
    path: 'a/b',
    transport: { plainHttp: true, network },
    retry: FAST,
  })
  t.teardown(() => repo.close())
  let saved: string | undefined = 'http://other.test/up'
  const clear = (): void => {
    saved = undefined
  }
  const memory = { load: () => saved, save: () => undefined, clear }
  const big = { ...DESCRIPTOR, size: 256 * 1024 * 1024 }
  await t.rejects(repo.uploadBlob(big, chunks(BLOB), memory), { code: 'DENIED' })
  t.same([connected, seen[0]?.method], [['1.1.1.1:80'], 'POST'], 'it is begun anew')
})

t.test('a file of the web that is moved', async t => {
  const { host } = await serve(t, (request, response) =>
    (request.headers.host === 'files.test'
      ? answer(302, { location: 'http://other.test/' })
      : answer(200, {}, 'x'))(request, response),
  )
  for (const [address, allowed] of [
    ['8.8.8.8', true],
    ['10.0.0.1', false],
  ] as const) {
    const { network } = standIn(host, { 'files.test': ['1.1.1.1'], 'other.test': [address] })
    const run = download('http://files.test/f', { retry: FAST, network }, ({ body }) => body.bytes(10))
    if (allowed) t.equal(String(await run), 'x', address)
    else await t.rejects(run, { code: 'ADDRESS_REFUSED' }, address)
  }
})
