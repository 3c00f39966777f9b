import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { collect } from '@pipelayer/records'
import { lookUp } from '@pipelayer/registry'
import { need, type RegistryServer, type Scope, startRegistry, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type LoginOptions, registryLogin } from '../src/index.js'
import { readLine } from '../src/terminal.js'

const USER = { name: 'me', password: 'p:w "ü' }
const RETRY = { tries: 1, baseMs: 1, maxMs: 1 }

async function* bytes(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}

interface Lab {
  readonly file: string
  readonly said: string[]
  login(more?: Partial<LoginOptions>, password?: string): Promise<unknown>
}

function lab(t: Scope, registry: Pick<RegistryServer, 'host'>, config?: object): Lab {
  const file = path.join(tempDir(t, 'login'), 'auth', 'config.json')
  if (config !== undefined) {
    fs.mkdirSync(path.dirname(file))
    fs.writeFileSync(file, JSON.stringify(config), { mode: 0o644 })
  }
  const said: string[] = []
  const login: Lab['login'] = (more, password = USER.password) =>
    collect(
      registryLogin({
        host: registry.host,
        username: USER.name,
        passwordStdin: true,
        remote: { env: { REGISTRY_AUTH_FILE: file }, registries: { retry: RETRY } },
        stdin: () => bytes(`${password}\n`),
        info: message => said.push(message),
        ...more,
      }),
    )
  return { file, said, login }
}

const read = (file: string): { auths: Record<string, object> } & Record<string, unknown> =>
  JSON.parse(fs.readFileSync(file, 'utf8'))

t.test('in and out', { skip: need('docker-registry', 'htpasswd') }, async t => {
  const registry = await startRegistry(t, { user: USER })
  const { file, said, login } = lab(t, registry)
  t.same(await login(), [], 'no records')
  t.equal(fs.statSync(file).mode & 0o777, 0o600)
  t.match(await lookUp(read(file), registry.host, { path: 'x' }), {
    username: USER.name,
    password: USER.password,
  })
  t.same(fs.readdirSync(path.dirname(file)), ['config.json'], 'no temporary file is left')
  await login({ logout: true })
  t.same(read(file).auths, {})
  await login({ logout: true })
  t.match(said, [/knows me; kept in .*config\.json/, /forgotten by/, /there were no credentials/])
  t.notMatch(said.join(), /p:w/, 'no secret is told')
})

t.test('what else is in the file stays', { skip: need('docker-registry', 'htpasswd') }, async t => {
  const registry = await startRegistry(t, { user: USER })
  const config = {
    auths: { 'o.example': { auth: 'YTpi' }, [`https://${registry.host}/v1/`]: {} },
    psFormat: 'x',
  }
  const { file, login } = lab(t, registry, config)
  const link = `${file}.link`
  fs.symlinkSync(file, link)
  await login({ remote: { env: { REGISTRY_AUTH_FILE: link }, registries: { retry: RETRY } } })
  t.ok(fs.lstatSync(link).isSymbolicLink(), 'a link stays one')
  t.match(read(file), { psFormat: 'x', auths: { 'o.example': { auth: 'YTpi' } } })
  t.same(
    Object.keys(read(file).auths),
    ['o.example', registry.host],
    'another spelling of the host is replaced',
  )
  t.equal(fs.statSync(file).mode & 0o777, 0o600, 'not readable for others any more')
})

t.test('a helper keeps them', { skip: need('docker-registry', 'htpasswd') }, async t => {
  const registry = await startRegistry(t, { user: USER })
  const dir = tempDir(t, 'helper')
  const script = `#!/bin/sh
case $1 in
store) cat > ${dir}/kept ;;
get) [ -f ${dir}/kept ] && cat ${dir}/kept || { echo credentials not found in native keychain; exit 1; } ;;
erase) rm ${dir}/kept ;;
esac`
  fs.writeFileSync(path.join(dir, 'docker-credential-fake'), script, { mode: 0o755 })
  const before = process.env.PATH
  process.env.PATH = `${dir}:${before}`
  t.teardown(() => {
    process.env.PATH = before
  })
  for (const config of [{ credsStore: 'fake' }, { credHelpers: { [registry.host]: 'fake' } }]) {
    const { file, said, login } = lab(t, registry, config)
    await login()
    t.same(JSON.parse(fs.readFileSync(`${dir}/kept`, 'utf8')), {
      ServerURL: registry.host,
      Username: 'me',
      Secret: USER.password,
    })
    t.same(read(file).auths, { [registry.host]: {} }, 'nothing secret in the file')
    t.match(await lookUp(read(file), registry.host, { path: 'x' }), { password: USER.password })
    await login({ logout: true })
    t.notOk(fs.existsSync(`${dir}/kept`))
    t.same(read(file).auths, {})
    t.match(said, [/docker-credential-fake/, /forgotten by docker-credential-fake/])
  }
  const conf = path.join(dir, 'registries.conf')
  fs.writeFileSync(conf, 'credential-helpers = ["fake", "containers-auth.json"]')
  const { file, said, login } = lab(t, registry)
  const env = { REGISTRY_AUTH_FILE: file, CONTAINERS_REGISTRIES_CONF: conf }
  await login({ remote: { env, registries: { retry: RETRY } } })
  t.match(JSON.parse(fs.readFileSync(`${dir}/kept`, 'utf8')), { ServerURL: registry.host, Username: 'me' })
  t.notOk(fs.existsSync(file), 'for every host: no file is written')
  await login({ logout: true, remote: { env, registries: { retry: RETRY } } })
  t.notOk(fs.existsSync(`${dir}/kept`))
  t.match(said, [/kept in docker-credential-fake/, /forgotten by docker-credential-fake/])
})

t.test('what is refused', { skip: need('docker-registry', 'htpasswd') }, async t => {
  const registry = await startRegistry(t, { user: USER })
  const rows: readonly [more: Partial<LoginOptions>, password: string, code: string, why: string][] = [
    [{}, 'wrong', 'UNAUTHORIZED', 'a wrong password'],
    [{}, '', 'USAGE', 'an empty one'],
    [{}, 'x'.repeat(70_000), 'USAGE', 'a file by mistake'],
    [{ username: 'a:b' }, 'x', 'USAGE', 'a colon in the name'],
    [{ username: '' }, 'x', 'USAGE', 'an empty name'],
    [{ username: undefined }, 'x', 'USAGE', 'stdin cannot give both'],
    [{ host: 'https://h.example' }, 'x', 'USAGE', 'an address'],
    [{ host: 'h.example/path' }, 'x', 'USAGE', 'a path'],
    [{ host: '' }, 'x', 'USAGE', 'nothing'],
    [{ host: '127.0.0.1:1' }, 'x', 'ECONNREFUSED', 'nobody there'],
  ]
  for (const [more, password, code, why] of rows) {
    const { file, login } = lab(t, registry)
    await t.rejects(login(more, password), { code }, why)
    t.notOk(fs.existsSync(file), `nothing is written: ${why}`)
  }
  const broken = lab(t, registry, { credsStore: 'missing-helper' })
  await t.rejects(broken.login(), { code: 'CREDENTIAL_HELPER_FAILED' })
})

t.test('asked for', { skip: need('docker-registry', 'htpasswd') }, async t => {
  const registry = await startRegistry(t, { user: USER })
  const { file, login } = lab(t, registry)
  const asked: [string, boolean][] = []
  await login({
    username: undefined,
    passwordStdin: false,
    ask: async (question, { hidden }) => {
      asked.push([question, hidden])
      return hidden ? USER.password : USER.name
    },
  })
  t.match(asked, [
    [/User name/, false],
    [/Password for me/, true],
  ])
  t.ok(fs.existsSync(file))
})

t.test('keys', async t => {
  const rows: readonly [typed: string, line: string | undefined, shown: string, why: string][] = [
    ['abc\r', 'abc', 'abc', 'a line'],
    ['ab\u007fc\n', 'ac', 'ab\b \bc', 'erased'],
    ['\u007fa\r', 'a', 'a', 'nothing to erase'],
    ['ü€\u007f\r', 'ü', 'ü€\b \b', 'characters, not bytes'],
    ['ab\u0015c\r', 'c', 'ab\b \b\b \bc', 'the line erased'],
    ['a\u0001\u001bb\r', 'ab', 'ab', 'other control keys'],
    ['a\u0003', undefined, 'a', 'Ctrl-C'],
    ['\u0004', undefined, '', 'Ctrl-D'],
    ['abc', undefined, 'abc', 'the terminal is gone'],
  ]
  for (const [typed, line, shown, why] of rows) {
    const input = new PassThrough()
    let echoed = ''
    const run = readLine(input, text => {
      echoed += text
    })
    input.end(typed)
    if (line === undefined) await t.rejects(run, { code: 'STOPPED' }, why)
    else t.equal(await run, line, why)
    t.equal(echoed, shown, why)
  }
})

t.test(
  'TLS with an authority of our own',
  { skip: need('docker-registry', 'htpasswd', 'openssl') },
  async t => {
    const registry = await startRegistry(t, { user: USER, tls: true })
    const ca = fs.readFileSync(registry.authority ?? '', 'utf8')
    const { file, login } = lab(t, registry)
    const env = { REGISTRY_AUTH_FILE: file }
    await t.rejects(
      login({ remote: { env, registries: { retry: RETRY, plainHttp: true } } }),
      { code: 'REGISTRY_REFUSED' },
      'HTTP to a TLS port',
    )
    const strict = { env, registries: { retry: RETRY, tls: { authorities: [otherAuthority(t)] } } }
    await t.rejects(login({ remote: strict }), { code: 'TLS_FAILED', status: 1 }, 'another authority')
    await login({ remote: { env, registries: { retry: RETRY, tls: { authorities: [ca] } } } })
    t.match(await lookUp(read(file), registry.host, { path: 'x' }), { username: 'me' })
    const certificates = tempDir(t, 'certs')
    fs.mkdirSync(path.join(certificates, registry.host))
    fs.writeFileSync(path.join(certificates, registry.host, 'ca.crt'), ca)
    await login({ remote: { env, registries: { retry: RETRY, certificates: [certificates] } } })
  },
)

function otherAuthority(t: Scope): string {
  const dir = tempDir(t, 'other')
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=other', '-days', '1']
  execFileSync('openssl', [...args, '-keyout', `${dir}/key`, '-out', `${dir}/crt`], { stdio: 'ignore' })
  return fs.readFileSync(`${dir}/crt`, 'utf8')
}

t.test('the program', async t => {
  const program = path.join(process.cwd(), 'dist/cli.cjs')
  if (!fs.existsSync(program)) return t.comment('not built')
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], {
      input: 'secret',
      encoding: 'utf8',
      env: { HOME: tempDir(t, 'h') },
    })
  t.match(run('h.example', '--logout'), { status: 0, stdout: /"end"/ })
  t.match(run('h.example', '--password-stdin'), { status: 2, stderr: /--username/ })
  t.match(run('h.example', '-u', 'x', '--tls-cert', 'a'), { status: 2 })
  t.match(run('h.example', '-u', 'x', '--rate', '0'), { status: 2 })
  t.match(run('h.example', '-u', 'x', '--tls-ca', '/missing'), { status: 1, stderr: /ENOENT/ })
})
