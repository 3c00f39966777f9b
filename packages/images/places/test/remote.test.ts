import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { openPlace, type RemoteArgs, remoteOptions, sessionOptions } from '../src/index.js'

const NONE: RemoteArgs = {
  'plain-http': false,
  'tls-ca': [],
  'tls-cert': undefined,
  'tls-key': undefined,
  rate: undefined,
  timeout: 600,
}
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

t.test('what the command line gives', { skip: need('openssl') }, async t => {
  const { cert, key } = certificate(t)
  const junk = `${tempDir(t, 'junk')}/file`
  fs.writeFileSync(junk, 'no certificate')
  const rows: readonly [args: Partial<RemoteArgs>, code: string | undefined, status: number, why: string][] =
    [
      [{}, undefined, 0, 'nothing'],
      [{ 'tls-ca': [cert, cert], 'tls-cert': cert, 'tls-key': key, rate: 5 }, undefined, 0, 'all of it'],
      [{ 'tls-cert': cert }, 'USAGE', 2, 'a certificate without its key'],
      [{ 'tls-key': key }, 'USAGE', 2, 'a key alone'],
      [{ rate: 0 }, 'USAGE', 2, 'no requests at all'],
      [{ timeout: 0 }, 'USAGE', 2, 'no time at all'],
      [{ 'tls-ca': ['/missing'] }, 'ENOENT', 1, 'no file'],
      [{ 'tls-ca': [junk] }, 'CERTIFICATE_INVALID', 1, 'no certificate in it'],
      [{ 'tls-cert': junk, 'tls-key': key }, 'CERTIFICATE_INVALID', 1, 'half of the pair'],
      [
        { 'tls-cert': cert, 'tls-key': certificate(t).key },
        'CERTIFICATE_INVALID',
        1,
        'the key of another one',
      ],
    ]
  for (const [args, code, status, why] of rows) {
    const run = (): unknown => remoteOptions({ ...NONE, ...args }, context)
    if (code === undefined) t.match(run(), { env: {} }, why)
    else t.throws(run, { code, status }, why)
  }
})

t.test('what a host is spoken to with', { skip: need('openssl') }, async t => {
  const { cert, key } = certificate(t)
  const [authority, secret] = [fs.readFileSync(cert, 'utf8'), fs.readFileSync(key, 'utf8')]
  const certificates = tempDir(t, 'certs')
  fs.mkdirSync(`${certificates}/localhost:5000`)
  fs.writeFileSync(`${certificates}/localhost:5000/ca.crt`, authority)
  const options = { store: '/nowhere', certificates: [certificates] }
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
    t.match(sessionOptions({ ...options, ...more }, { domain, path: 'a' }), found, why)
  t.equal(
    sessionOptions(options, { domain: 'm', path: 'a', plainHttp: true }).plainHttp,
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
  const options = { store: '/nowhere', retry: { tries: 1 }, certificates: [] }
  const read = async (more: object): Promise<string> => {
    const place = openPlace(`docker://${registry}/a`, { ...options, ...more })
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
