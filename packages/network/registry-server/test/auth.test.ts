import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import { Layout } from '@pipelayer/layout'
import { need, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { Htpasswd, LayoutStorage, RegistryServer } from '../src/index.js'
import { digestOf, manifest, push, startLab } from './client.js'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

t.test('Basic against htpasswd', { skip: need('htpasswd') }, async t => {
  const file = path.join(tempDir(t), 'htpasswd')
  const long = 'x'.repeat(72)
  fs.writeFileSync(
    file,
    `# users\n\n${hashOf('ann', 'secret')}${hashOf('bob', 'pä:ss')}${hashOf('cyd', long)}`,
  )
  const users = new Htpasswd(file)
  const rows: readonly (readonly [header: string | undefined, accepted: boolean, why: string])[] = [
    [undefined, false, 'nothing'],
    ['', false, 'an empty header'],
    [basic('ann:secret'), true, 'right'],
    [basic('ann:secret'), true, 'right, and known by now'],
    [basic('ann:secret').replace('Basic', 'basic'), true, 'the scheme in lower case'],
    [basic('ann:Secret'), false, 'another password'],
    [basic('ann:'), false, 'no password'],
    [basic('ann'), false, 'no colon'],
    [basic('ann:secret\0'), false, 'NUL: bcrypt stops there'],
    [basic('bob:pä:ss'), true, 'a colon and UTF-8 in the password'],
    [basic('bob:secret'), false, "another's password"],
    [basic('eve:secret'), false, 'nobody'],
    [basic('# users:'), false, 'a comment'],
    [basic(`cyd:${long}`), true, 'as long as bcrypt reads'],
    [basic(`cyd:${long}x`), false, 'longer: bcrypt would not see the rest'],
    ['Bearer abc', false, 'another scheme'],
    ['Basic !!!', false, 'no base64'],
  ]
  for (const [header, accepted, why] of rows) t.equal(await users.accepts(header), accepted, why)
  fs.writeFileSync(file, hashOf('ann', 'changed'))
  t.equal(await users.accepts(basic('ann:secret')), false, 'the file is read again when it changes')
  t.equal(await users.accepts(basic('ann:changed')), true)
  const many = Array.from({ length: 100 }, (_, number) =>
    users.accepts(basic(`eve:${number}`), `${number % 8}`),
  )
  const refused = (await Promise.allSettled(many)).filter(({ status }) => status === 'rejected')
  t.equal(refused.length, 35, 'guesses do not queue without end: one is computed, 64 wait')
})

// Text in the form of a hash. The test's own comparison decides which password is right.
const fakeHash = (cost: string): string => `$2b$${cost}$${'a'.repeat(53)}`

/** Replaces bcrypt: it records the work and accepts the password "right". */
function fakeBcrypt(): {
  readonly work: () => number
  readonly compare: (password: string, hash: string) => Promise<boolean>
} {
  let work = 0
  const compare = async (password: string, hash: string): Promise<boolean> => {
    work += 2 ** Number(hash.slice(4, 6))
    await new Promise(setImmediate)
    return password === 'right'
  }
  return { work: () => work, compare }
}

t.test('asks how long the refusal of a name takes', async t => {
  const file = path.join(tempDir(t), 'htpasswd')
  fs.writeFileSync(file, `low:${fakeHash('05')}\nhigh:${fakeHash('12')}\n`)
  for (const name of ['low', 'high', 'nobody']) {
    const { work, compare } = fakeBcrypt()
    t.equal(await new Htpasswd(file, compare).accepts(basic(`${name}:wrong`)), false)
    t.equal(work(), 2 ** 12, `${name} costs what the dearest user costs`)
  }
  t.equal(await new Htpasswd(file, fakeBcrypt().compare).accepts(basic('nobody:right')), false)
})

t.test('sends 60 wrong passwords while a user comes', async t => {
  const file = path.join(tempDir(t), 'htpasswd')
  fs.writeFileSync(file, `ann:${fakeHash('10')}\n`)
  for (const [attacker, why] of [
    ['10.0.0.1', 'from another address'],
    ['10.0.0.2', 'from the same address'],
  ] as const) {
    const users = new Htpasswd(file, fakeBcrypt().compare)
    let computed = 0
    const wrong = Array.from({ length: 60 }, (_, number) =>
      users.accepts(basic(`ann:${number}`), attacker).then(
        () => computed++,
        () => undefined,
      ),
    )
    t.equal(await users.accepts(basic('ann:right'), '10.0.0.2'), true, why)
    t.ok(computed <= 2, `${why}: ${computed} guesses came before`)
    await Promise.all(wrong)
  }
  const { work, compare } = fakeBcrypt()
  const users = new Htpasswd(file, compare)
  const same = Array.from({ length: 200 }, () => users.accepts(basic('ann:right'), '10.0.0.2'))
  t.same(new Set(await Promise.all(same)), new Set([true]), 'one user with 200 requests is refused none')
  t.equal(work(), 2 ** 10, 'and is computed once')
})

t.test('files that are no htpasswd', async t => {
  const file = path.join(tempDir(t), 'htpasswd')
  const rows = [
    'ann:secret',
    'ann:$apr1$x$y',
    'ann:{SHA}x',
    ':$2y$05$',
    'ann',
    `ann:$2y$05$${'.'.repeat(52)}`,
  ]
  for (const text of rows) {
    fs.writeFileSync(file, `\n${text}\n`)
    t.throws(
      () => new Htpasswd(file),
      { code: 'HTPASSWD_INVALID', message: /line 2: write it with htpasswd -B/ },
      text,
    )
  }
  t.throws(() => new Htpasswd(`${file}.absent`), { code: 'ENOENT' })
})

t.test('every address asks for a password', { skip: need('htpasswd') }, async t => {
  const file = path.join(tempDir(t), 'htpasswd')
  fs.writeFileSync(file, hashOf('ann', 'secret'))
  const { send } = await startLab(t, 'layout', { users: new Htpasswd(file) })
  for (const [method, url] of [
    ['GET', '/v2/'],
    ['HEAD', '/v2/a/manifests/1'],
    ['POST', '/v2/a/blobs/uploads/'],
    ['GET', '/v2/_catalog'],
  ] as const) {
    const answer = await send(method, url)
    t.equal(answer.status, 401, url)
    t.match(answer.headers['www-authenticate'], /^Basic realm="/)
    const known = await send(method, url, { headers: { authorization: basic('ann:secret') } })
    t.not(known.status, 401, url)
  }
  const early = await send('PUT', '/v2/a/manifests/1', { body: 'x'.repeat(8_000_000) })
  t.equal(early.status, 401, 'before the body is read')
})

t.test('TLS', { skip: need('openssl') }, async t => {
  const dir = tempDir(t)
  const [tls, next] = [certify(t, dir, 'one'), certify(t, dir, 'two')]
  const warnings: string[] = []
  const { server } = await startLab(t, 'layout', { tls, warn: message => void warnings.push(message) })
  t.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/)
  const first = fs.readFileSync(tls.cert)
  t.equal(await trusts(server.url, first), true)
  t.equal(await trusts(server.url, fs.readFileSync(next.cert)), false)
  fs.renameSync(next.cert, tls.cert)
  t.equal(await trusts(server.url, first), true, 'a certificate whose key has not come yet')
  t.equal(await trusts(server.url, first), true)
  t.match(warnings, [/^the certificate stays as it was: cannot use the certificate/], 'said once')
  fs.renameSync(next.key, tls.key)
  t.equal(await trusts(server.url, fs.readFileSync(tls.cert)), true, 'both are there')
  t.equal(await trusts(server.url, first), false, 'the one before is gone')
  const storage = new LayoutStorage(Layout.open(path.join(dir, 'l'), { create: true }))
  const options = {
    storage,
    host: '127.0.0.1',
    port: 0,
    limits: { uploadExpiryMs: 1 },
    now: () => 0,
    warn: () => {},
  }
  const wrong = { cert: tls.key, key: tls.key }
  await t.rejects(RegistryServer.start({ ...options, tls: wrong }), { code: 'TLS_INVALID' })
  const missing = { ...tls, key: path.join(dir, 'none') }
  await t.rejects(RegistryServer.start({ ...options, tls: missing }), { code: 'ENOENT' })
  const taken = Number(server.address.split(':')[1])
  await t.rejects(RegistryServer.start({ ...options, port: taken }), { code: 'EADDRINUSE', status: 1 })
})

function certify(t: Pick<Test, 'equal'>, dir: string, name: string): { cert: string; key: string } {
  const [cert, key] = ['cert', 'key'].map(kind => path.join(dir, `${name}.${kind}`)) as [string, string]
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost'
  const args = [...request.split(' '), '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]
  const made = spawnSync('openssl', args, { encoding: 'utf8' })
  t.equal(made.status, 0, made.stderr)
  return { cert, key }
}

/** Whether a client that trusts only `ca` can connect to the server. */
function trusts(url: string, ca: Buffer): Promise<boolean> {
  return new Promise(resolve =>
    https
      .get(`${url}/v2/`, { ca, agent: false }, answer => resolve(answer.resume().statusCode === 200))
      .on('error', () => resolve(false)),
  )
}

t.test('names of a layout that others wrote', async t => {
  const lab = await startLab(t, 'layout')
  await push(lab, 'app', 'pushed')
  const layout = Layout.open(lab.dir)
  const [entry] = layout.resolve('docker.io/library/app:pushed')
  t.ok(entry, 'what is pushed gets the full name that it has in every other place')
  const { mediaType = '', digest = '', size = 0 } = entry ?? {}
  const other = Buffer.from(manifest({ annotations: { of: 'other' } }))
  const second = { mediaType, digest: digestOf(other), size: other.length }
  layout.putBytes(other)
  for (const name of [
    'docker.io/library/debian:12',
    'quay.io/team/app:1',
    'localhost:5000/team/tool:1',
    'ghcr.io/team/both:1',
    'latest',
    'nonsense name::',
  ])
    layout.tag({ mediaType, digest, size }, name)
  layout.tag(second, 'quay.io/team/both:1')
  layout.tag(second, 'docker.io/team/app:1')
  const rows: readonly (readonly [name: string, tag: string, found: string, why: string])[] = [
    ['library/debian', '12', digest, 'its path'],
    ['debian', '12', digest, 'its short name'],
    ['docker.io/library/debian', '12', digest, 'its full name'],
    ['quay.io/team/app', '1', digest, 'another domain, by its full name'],
    ['team/app', '1', second.digest, 'the short name is that of docker.io, which comes first'],
    ['team/tool', '1', digest, 'a domain with a port cannot be said, and need not'],
    ['team/both', '1', 'MANIFEST_UNKNOWN', 'two domains have it: the answer names them'],
    ['ghcr.io/team/both', '1', digest, 'one of them'],
    ['quay.io/team/both', '1', second.digest, 'the other'],
    ['images', 'latest', digest, "a bare tag is one of the folder's own name"],
    ['nonsense', 'latest', 'MANIFEST_UNKNOWN', 'what is no reference'],
    ['team/app', '2', 'MANIFEST_UNKNOWN', 'another tag'],
  ]
  for (const [name, tag, found, why] of rows) {
    const { headers, code, body } = await lab.send('GET', `/v2/${name}/manifests/${tag}`)
    t.equal(headers['docker-content-digest'] ?? code, found, why)
    if (why.startsWith('two')) t.match(body.toString(), /ghcr\.io\/team\/both:1, quay\.io\/team\/both:1/)
  }
  t.same((await lab.send('GET', '/v2/_catalog')).json.repositories, [
    'app',
    'debian',
    'images',
    'team/app',
    'team/both',
    'team/tool',
  ])
  t.equal((await lab.send('PUT', '/v2/images/manifests/latest', { body: other })).status, 201)
  t.equal(layout.resolve('latest')[0]?.digest, second.digest, 'an entry keeps the spelling of its name')
  await lab.send('DELETE', '/v2/team/tool/manifests/1')
  t.same(layout.resolve('localhost:5000/team/tool:1'), [])
  t.equal(layout.resolve('quay.io/team/app:1')[0]?.digest, digest, 'other names of the image stay')
})

function hashOf(name: string, password: string): string {
  const { stdout } = spawnSync('htpasswd', ['-nbB', '-C', '4', name, password], { encoding: 'utf8' })
  return `${stdout.trim()}\n`
}
