// Which engine is asked: DOCKER_HOST, contexts, and what is refused.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { parseHost } from '../src/address.js'
import { unreachable } from '../src/failure.js'
import { findEngine } from '../src/index.js'

const SOCKET = { socketPath: '/var/run/docker.sock' }
const hashOf = (name: string): string => createHash('sha256').update(name).digest('hex')

t.test('addresses', async t => {
  const good: readonly [text: string, target: object, base: string, tls: object | undefined][] = [
    ['unix:///run/x.sock', { socketPath: '/run/x.sock' }, '', undefined],
    ['unix://', SOCKET, '', undefined],
    ['tcp://h:1', { host: 'h', port: 1 }, '', undefined],
    ['tcp://h', { host: 'h', port: 2375 }, '', undefined],
    ['h.example:5', { host: 'h.example', port: 5 }, '', undefined],
    ['tcp://[::1]:9', { host: '::1', port: 9 }, '', undefined],
    ['http://h', { host: 'h', port: 80 }, '', undefined],
    ['http://h:5/a/b/', { host: 'h', port: 5 }, '/a/b', undefined],
    ['https://h', { host: 'h', port: 443 }, '', {}],
  ]
  for (const [text, target, base, tls] of good)
    t.same(parseHost(text), {
      text: text === 'unix://' ? 'unix:///var/run/docker.sock' : text,
      target,
      base,
      ...(tls && { tls }),
    })
  t.match(parseHost('tcp://h', {}), { target: { port: 2376 }, tls: {} }, 'TLS has another port')
  t.equal(parseHost('http://h', {}).tls, undefined, 'http is never TLS')
  for (const text of [
    'tcp://',
    'tcp://u@h',
    'tcp://h:0',
    'tcp://h:70000',
    'tcp://h?x',
    'unix:///a\0b',
    'a b',
  ])
    t.throws(() => parseHost(text), { code: 'ENGINE_INVALID' }, text)
  t.throws(() => parseHost('\x1b[31mred'), { message: /"\\x1b\[31mred" is no address/ }, 'shown escaped')
  t.throws(() => parseHost('ssh://me@h.example/x'), {
    code: 'ENGINE_UNSUPPORTED',
    message:
      /ssh -nNT -L \/tmp\/docker\.sock:\/var\/run\/docker\.sock me@h\.example` and .*docker -H ssh:\/\/me@h\.example load/,
  })
  for (const text of ['npipe:////./pipe/docker_engine', 'fd://'])
    t.throws(() => parseHost(text), { code: 'ENGINE_UNSUPPORTED' }, text)
})

t.test('the environment and contexts', async t => {
  const dir = tempDir(t, 'docker')
  const env = { DOCKER_CONFIG: dir }
  const write = (file: string, value: unknown): void => {
    fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true })
    fs.writeFileSync(path.join(dir, file), typeof value === 'string' ? value : JSON.stringify(value))
  }
  const context = (name: string, docker: object | undefined): void =>
    write(`contexts/meta/${hashOf(name)}/meta.json`, {
      Name: name,
      Endpoints: docker === undefined ? {} : { docker },
    })
  t.match(findEngine({}), { target: SOCKET }, 'nothing at all')
  t.match(findEngine(env), { target: SOCKET }, 'no configuration')
  write('config.json', { currentContext: 'mine' })
  t.throws(() => findEngine(env), { code: 'CONTEXT_INVALID', message: /context "mine": there is no such/ })
  context('mine', { Host: 'unix:///run/mine.sock', SkipTLSVerify: false })
  context('other', { Host: 'tcp://h:7' })
  context('far', { Host: 'ssh://h' })
  context('careless', { Host: 'tcp://h:7', SkipTLSVerify: true })
  context('none', undefined)
  t.match(findEngine(env), { target: { socketPath: '/run/mine.sock' } }, 'the current context')
  t.match(findEngine({ HOME: '/none', ...env, DOCKER_CONTEXT: 'other' }), { target: { port: 7 } })
  t.match(findEngine({ ...env, DOCKER_CONTEXT: 'default' }), { target: SOCKET })
  t.match(findEngine({ ...env, DOCKER_HOST: 'tcp://h:8' }), { target: { port: 8 } }, 'DOCKER_HOST decides')
  t.throws(() => findEngine({ ...env, DOCKER_CONTEXT: 'far' }), { code: 'ENGINE_UNSUPPORTED' })
  t.throws(() => findEngine({ ...env, DOCKER_CONTEXT: 'careless' }), { message: /does not check/ })
  t.throws(() => findEngine({ ...env, DOCKER_CONTEXT: 'none' }), { message: /names no Docker engine/ })

  write(`contexts/tls/${hashOf('other')}/docker/ca.pem`, 'authority')
  const { tls } = findEngine({ ...env, DOCKER_CONTEXT: 'other' })
  t.same(tls, { ca: Buffer.from('authority') }, 'certificates of a context')
  const secure = { ...env, DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1' }
  t.match(findEngine(secure), { target: { port: 2376 }, tls: {} }, 'TLS without files')
  for (const name of ['ca', 'cert', 'key']) write(`${name}.pem`, name)
  t.same(findEngine(secure).tls, {
    ca: Buffer.from('ca'),
    cert: Buffer.from('cert'),
    key: Buffer.from('key'),
  })
  write('certs/cert.pem', 'half')
  t.throws(() => findEngine({ ...secure, DOCKER_CERT_PATH: path.join(dir, 'certs') }), {
    code: 'CERTIFICATE_INVALID',
    message: /key\.pem" is missing/,
  })
  t.equal(findEngine({ ...env, DOCKER_HOST: 'tcp://h' }).tls, undefined, 'no TLS unless it is asked for')

  for (const text of ['{', '[]', 'null']) {
    write('config.json', text)
    t.throws(() => findEngine(env), { code: 'CONTEXT_INVALID', message: /is no JSON object/ }, text)
  }
  write('config.json', { currentContext: 5 })
  t.match(findEngine(env), { target: SOCKET }, 'a name that is none')
})

t.test('why an engine is not reached', async t => {
  const address = parseHost('unix:///run/x.sock')
  const failure = (code: string): Error => Object.assign(new Error(code), { code })
  for (const [code, wanted, message, status] of [
    ['EACCES', 'ENGINE_DENIED', /unix:\/\/\/run\/x\.sock: permission denied; root may use it/, 1],
    ['ENOENT', 'ENGINE_UNREACHABLE', /there is no such socket; is the engine running\? DOCKER_HOST says/, 75],
    ['ECONNREFUSED', 'ENGINE_UNREACHABLE', /no engine listens there/, 75],
    ['ETIMEDOUT', 'ENGINE_UNREACHABLE', /it does not answer/, 75],
    ['ECONNRESET', 'ENGINE_UNREACHABLE', /the connection broke off/, 75],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'TLS_FAILED', /DOCKER_CERT_PATH/, 1],
    ['HPE_INVALID_CONSTANT', 'ENGINE_INVALID', /speaks no HTTP/, 1],
  ] as const)
    t.match(unreachable(failure(code), address), { code: wanted, message, status }, code)
  const reason = new Error('stopped')
  const aborted = Object.assign(new Error('aborted', { cause: reason }), { name: 'AbortError' })
  t.equal(unreachable(aborted, address), reason, 'a signal')
})
