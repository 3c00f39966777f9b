import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { REMOTE_OPTIONS } from '@pipelayer/cli'
import { DEFAULT_RETRY } from '@pipelayer/registry'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { openPlace, remoteOptions, sessionOptions } from '../src/index.js'
import type { RemoteAccess } from '../src/remote.js'

const context = { env: {}, signal: new AbortController().signal, warn: () => undefined }

/** A self-signed certificate for 127.0.0.1, and its key. */
function certificate(t: Scope): { readonly cert: string; readonly key: string } {
  const dir = tempDir(t, 'cert')
  const [cert, key] = [`${dir}/cert`, `${dir}/key`]
  const names = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1']
  const args = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    ...names,
    '-out',
    cert,
    '-keyout',
    key,
  ]
  execFileSync('openssl', args, { stdio: 'ignore' })
  return { cert, key }
}

t.test('what is asked of registries', { skip: need('openssl') }, async t => {
  const { cert, key } = certificate(t)
  const junk = `${tempDir(t, 'junk')}/file`
  fs.writeFileSync(junk, 'no certificate')
  const other = certificate(t).key
  const rows: readonly [access: RemoteAccess, code: string | undefined, why: string][] = [
    [{}, undefined, 'nothing'],
    [
      { tls: { authorities: [cert, cert], identity: { cert, key } }, requestsPerSecond: 5 },
      undefined,
      'all of it',
    ],
    [{ tls: { authorities: ['/missing'] } }, 'ENOENT', 'no file'],
    [{ tls: { authorities: [junk] } }, 'CERTIFICATE_INVALID', 'no certificate in it'],
    [{ tls: { authorities: [], identity: { cert: junk, key } } }, 'CERTIFICATE_INVALID', 'half of the pair'],
    [
      { tls: { authorities: [], identity: { cert, key: other } } },
      'CERTIFICATE_INVALID',
      'the key of another one',
    ],
  ]
  for (const [access, code, why] of rows) {
    const run = (): unknown => remoteOptions(access, context)
    if (code === undefined) t.match(run(), { env: {} }, why)
    else t.throws(run, { code, status: 1 }, why)
  }
  const { registries } = remoteOptions({ plainHttp: true, timeoutSeconds: 7 }, context)
  t.match(registries, { plainHttp: true, retry: { totalMs: 7000 } })
  t.equal(REMOTE_OPTIONS.timeout.default * 1000, DEFAULT_RETRY.totalMs, 'one default, in --help and here')
})

t.test('what a host is spoken to with', { skip: need('openssl') }, async t => {
  const { cert, key } = certificate(t)
  const [authority, secret] = [fs.readFileSync(cert, 'utf8'), fs.readFileSync(key, 'utf8')]
  const certificates = tempDir(t, 'certs')
  fs.mkdirSync(`${certificates}/localhost:5000`)
  fs.writeFileSync(`${certificates}/localhost:5000/ca.crt`, authority)
  const options = (more: object) => ({
    store: '/nowhere',
    registries: { certificates: [certificates], ...more },
  })
  const rows: readonly [domain: string, more: object, found: object, why: string][] = [
    ['h.example', {}, { plainHttp: undefined }, 'https, as its name says'],
    ['localhost:1', {}, { plainHttp: undefined }, 'plain, on this machine'],
    [
      'localhost:5000',
      {},
      { plainHttp: false, tls: { authorities: [authority] } },
      'certificates: TLS here too',
    ],
    ['localhost:5000', { plainHttp: true }, { plainHttp: true }, 'unless asked otherwise'],
    ['localhost:1', { tls: { identity: { cert: authority, key: secret } } }, { plainHttp: false }, 'given'],
  ]
  for (const [domain, more, found, why] of rows)
    t.match(sessionOptions(options(more), { domain, path: 'a' }).transport, found, why)
  t.equal(
    sessionOptions(options({}), { domain: 'm', path: 'a', plainHttp: true }).transport?.plainHttp,
    true,
    'a mirror says so',
  )
})

t.test('client certificates', { skip: need('openssl') }, async t => {
  const { cert, key } = certificate(t)
  const pair = { cert: fs.readFileSync(cert, 'utf8'), key: fs.readFileSync(key, 'utf8') }
  const shown: [string, boolean][] = []
  const listen = async (
    name: string,
    status: number,
    headers: () => Record<string, string>,
  ): Promise<string> => {
    const server = https.createServer({
      ...pair,
      ca: pair.cert,
      requestCert: true,
      rejectUnauthorized: false,
    })
    server.on('request', (request, response) => {
      shown.push([name, (request.socket as TLSSocket).authorized])
      response.writeHead(status, headers()).end('blob')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const storage = await listen('storage', 200, () => ({}))
  const registry = await listen('registry', 307, () => ({ location: `https://${storage}/blob` }))
  const registries = { retry: { tries: 1 }, certificates: [] }
  const read = async (more: object): Promise<string> => {
    const place = openPlace(`docker://${registry}/a`, {
      store: '/nowhere',
      registries: { ...registries, ...more },
    })
    let text = ''
    try {
      const digest = 'sha256:fa2c8cc4f28176bbeed4b736df569a34c79cd3723e9ec42f9674b4d46ac6b8b8'
      for await (const chunk of place.read.blob({ mediaType: 'x/y', digest, size: 4 })) text += chunk
    } finally {
      await place.close()
    }
    return text
  }
  const authorities = [pair.cert]
  t.equal(await read({ tls: { authorities, identity: pair } }), 'blob')
  t.same(
    shown,
    [
      ['registry', true],
      ['storage', false],
    ],
    'shown to the registry, and to no host that it sends us to',
  )
  await t.rejects(read({ tls: { identity: pair } }), { code: 'TLS_FAILED', status: 1 }, 'not trusted')
  const route = () => ({
    rule: 'x',
    blocked: false,
    endpoints: [{ domain: registry, path: 'a', resolves: true, plainHttp: false, skipVerify: true }],
  })
  await t.rejects(
    read({ route }),
    { code: 'TLS_FAILED' },
    'who is not checked may not send us to others unchecked',
  )
})
