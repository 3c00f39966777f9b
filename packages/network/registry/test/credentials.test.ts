// Tests of the choice among credentials in files and in helpers.
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { credentialFiles, credentialPaths, lookUp } from '../src/index.js'

t.test('credentials', async t => {
  const auth = (pair: string): object => ({ auth: Buffer.from(pair).toString('base64') })
  const config = {
    auths: {
      'https://index.docker.io/v1/': auth('hub:1'),
      'h.example': auth('host:a:b'),
      'h.example/team': auth('team:1'),
      'https://old.example/v2/': auth('old:1'),
      'plain.example': { username: 'u', password: 'p' },
      'token.example': { identitytoken: 'id' },
      'empty.example': {},
    },
  }
  const rows: readonly [domain: string, path: string, found: object | undefined, why: string][] = [
    ['docker.io', 'library/a', { username: 'hub', password: '1' }, "the Hub's old key"],
    ['h.example', 'x', { username: 'host', password: 'a:b' }, 'a password with a colon'],
    ['h.example', 'team/x', { username: 'team' }, 'the longest path wins'],
    ['h.example', 'teams/x', { username: 'host' }, 'whole components only'],
    ['old.example', 'x', { username: 'old' }, 'a key that is a URL'],
    ['plain.example', 'x', { username: 'u', password: 'p' }, 'not encoded'],
    ['token.example', 'x', { identityToken: 'id' }, 'an identity token'],
    ['empty.example', 'x', undefined, 'an empty entry'],
    ['other.example', 'x', undefined, 'unknown'],
  ]
  for (const [domain, where, found, why] of rows)
    t.match(await lookUp(config, domain, { path: where }), found, why)
  const hub = 'https://index.docker.io/v1/'
  const several: readonly [domain: string, keys: readonly string[], want: string, why: string][] = [
    [
      'docker.io',
      ['index.docker.io', 'docker.io'],
      'docker.io',
      'the key that is spelled so, behind another',
    ],
    ['docker.io', ['docker.io', 'index.docker.io'], 'docker.io', 'and before it'],
    ['docker.io', ['registry-1.docker.io', hub], hub, "what Docker's tools write, behind another"],
    ['docker.io', ['registry-1.docker.io'], 'registry-1.docker.io', 'another name of the Hub'],
    ['registry-1.docker.io', ['registry-1.docker.io'], 'registry-1.docker.io', 'asked by that name'],
    [
      'registry-1.docker.io',
      [hub, 'registry-1.docker.io'],
      'registry-1.docker.io',
      'by that name, behind another',
    ],
    ['registry-1.docker.io', [hub], hub, 'by that name, logged in as usual'],
    ['index.docker.io', ['docker.io'], 'docker.io', 'by the third name'],
    ['h.example', ['https://h.example/v2/', 'h.example'], 'h.example', 'a host behind its URL'],
    [
      'h.example',
      ['https://h.example/v2/', 'http://h.example'],
      'https://h.example/v2/',
      'of two URLs the first',
    ],
    ['docker.io', ['docker.io/x', 'docker.io', hub], 'docker.io/x', 'the longest path wins all the same'],
  ]
  for (const [domain, keys, want, why] of several) {
    const auths = Object.fromEntries(keys.map(key => [key, { username: key, password: 'p' }]))
    t.equal((await lookUp({ auths }, domain, { path: 'x' }))?.username, want, why)
  }
  const empty = { auths: { 'docker.io': {}, [hub]: auth('hub:1') } }
  t.match(
    await lookUp(empty, 'docker.io', { path: 'x' }),
    { username: 'hub' },
    'an exact key that holds nothing',
  )
  const bad: readonly [config: object, why: string][] = [
    [{ auths: { 'h.example': { auth: 'bm9jb2xvbg==' } } }, 'no colon'],
    [{ auths: { 'h.example': { username: 1 } } }, 'no string'],
    [{ auths: { 'h.example': 'x' } }, 'no object'],
    [{ credsStore: '../evil' }, 'a helper that is a path'],
  ]
  for (const [one, why] of bad)
    await t.rejects(lookUp({ ...one }, 'h.example', { path: 'x' }), { code: 'CREDENTIALS_INVALID' }, why)
})

t.test('credential helpers', async t => {
  const dir = t.testdir()
  const helper = (name: string, script: string): void =>
    fs.writeFileSync(path.join(dir, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  helper('echo', 'read host; printf \'{"Username":"%s","Secret":"s"}\' "$host"')
  helper('id', 'printf \'{"Username":"<token>","Secret":"s"}\'')
  helper('none', 'echo "credentials not found in native keychain"; exit 1')
  helper('fails', 'echo boom; exit 3')
  helper('noise', 'echo noise')
  const before = process.env.PATH
  process.env.PATH = `${dir}:${before}`
  t.teardown(() => {
    process.env.PATH = before
  })
  const auths = { 'h.example': { username: 'file', password: 'f' } }
  t.match(await lookUp({ credsStore: 'echo' }, 'h.example', { path: 'x' }), {
    username: 'h.example',
    password: 's',
  })
  t.match(await lookUp({ credHelpers: { 'docker.io': 'echo' } }, 'docker.io', { path: 'x' }), {
    username: 'https://index.docker.io/v1/',
  })
  t.match(
    await lookUp({ credsStore: 'fails', credHelpers: { 'h.example': 'id' } }, 'h.example', { path: 'x' }),
    {
      identityToken: 's',
    },
  )
  t.match(
    await lookUp({ credsStore: 'none', auths }, 'h.example', { path: 'x' }),
    { username: 'file' },
    'what a helper does not know',
  )
  t.match(await lookUp({ credHelpers: { 'docker.io': 'echo' } }, 'registry-1.docker.io', { path: 'x' }), {
    username: 'https://index.docker.io/v1/',
  })
  helper(
    'podman',
    'read host; [ "$host" = docker.io ] && echo \'{"Username":"p","Secret":"s"}\' || { echo credentials not found; exit 1; }',
  )
  t.match(
    await lookUp({ credsStore: 'podman' }, 'docker.io', { path: 'x' }),
    { username: 'p' },
    'kept as podman keeps it',
  )
  const file = path.join(dir, 'auth.json')
  fs.writeFileSync(file, JSON.stringify({ auths }))
  const rows: readonly [
    helpers: readonly string[],
    domain: string,
    found: object | undefined,
    why: string,
  ][] = [
    [[], 'h.example', { username: 'file' }, 'none: the files'],
    [['echo'], 'h.example', { username: 'h.example' }, 'in place of the files'],
    [['echo', 'containers-auth.json'], 'h.example', { username: 'h.example' }, 'before the files'],
    [['containers-auth.json', 'echo'], 'h.example', { username: 'file' }, 'after the files'],
    [['containers-auth.json', 'echo'], 'i.example', { username: 'i.example' }, 'what the files do not know'],
    [['none'], 'h.example', undefined, 'files that are not named are not read'],
    [
      ['fails', 'containers-auth.json'],
      'h.example',
      { username: 'file' },
      'one that fails, and another that knows',
    ],
    [['podman'], 'docker.io', { username: 'p' }, 'the Hub, by its name'],
  ]
  for (const [helpers, domain, found, why] of rows)
    t.match(await credentialFiles([file], () => helpers)(domain, 'x'), found, `credential-helpers: ${why}`)
  await t.rejects(credentialFiles([file], () => ['fails', 'none'])('h.example', 'x'), {
    code: 'CREDENTIAL_HELPER_FAILED',
  })
  for (const name of ['fails', 'noise', 'missing']) {
    await t.rejects(
      lookUp({ credsStore: name }, 'h.example', { path: 'x' }),
      { code: 'CREDENTIAL_HELPER_FAILED' },
      name,
    )
  }
})

t.test('credential files', async t => {
  const dir = t.testdir({
    'a.json': '{"auths":{"a.example":{"username":"a"}}}',
    'b.json': '{"auths":{"a.example":{"username":"b"},"b.example":{"username":"b"}}}',
    'bad.json': 'password: hunter2',
    'empty.json': '',
  })
  const file = (name: string): string => path.join(dir, name)
  const source = credentialFiles([file('none.json'), file('empty.json'), file('a.json'), file('b.json')])
  t.match(await source('a.example', 'x'), { username: 'a' }, 'the first file wins')
  t.match(await source('b.example', 'x'), { username: 'b' })
  const error = await credentialFiles([file('bad.json')])('h', 'x').catch((reason: Error) => reason)
  t.match(error, { code: 'CREDENTIALS_INVALID' })
  t.notMatch((error as Error).message, /hunter2/, 'no secret in a message')
  await t.rejects(credentialFiles([dir])('h', 'x'), { code: 'EISDIR' })
  t.same(credentialPaths({ HOME: '/h' }), ['/h/.docker/config.json'])
  t.same(credentialPaths({ HOME: '/h', DOCKER_CONFIG: '/d', XDG_RUNTIME_DIR: '/r' }), [
    '/r/containers/auth.json',
    '/d/config.json',
  ])
  t.same(credentialPaths({ HOME: '/h', REGISTRY_AUTH_FILE: '/a' }), ['/a'])
  t.same(credentialPaths({}), [])
})
