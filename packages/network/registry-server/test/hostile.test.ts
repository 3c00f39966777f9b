// Attacks on a server: each is named by what the attacker does.
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import type { RepositoryStorage } from '../src/storage.js'
import { Uploads } from '../src/uploads.js'
import { digestOf, HOUR_MS, KINDS, type Lab, push, startLab } from './client.js'

for (const kind of KINDS) {
  t.test(kind, async t => {
    t.test('ends an upload at one server while another one writes it', async t =>
      endsElsewhere(t, await startLab(t, kind)),
    )
    t.test('ends an upload that another server ended', async t => endsTwice(t, await startLab(t, kind)))
    t.test('goes on with an upload of a program that knows no lock', async t =>
      foreignSession(t, await startLab(t, kind)),
    )
    t.test('begins uploads and leaves them', async t =>
      floods(t, await startLab(t, kind, { limits: { uploadExpiryMs: HOUR_MS, maxUploads: 5 } })),
    )
    for (const umask of [0o000, 0o022, 0o077])
      t.test(`has an account on the machine: umask 0${umask.toString(8)}`, async t => modes(t, kind, umask))
  })
}

/** Begins a chunk with a Content-Length of `length`, sends a part of it and keeps the connection open. */
async function beginChunk(
  { server }: Lab,
  location: string,
  { length, bytes }: { readonly length: number; readonly bytes: string },
): Promise<{ finish(rest: string): Promise<string> }> {
  const [host, port] = server.address.split(':')
  const socket = net.connect({ host, port: Number(port) })
  let answer = ''
  const ended = new Promise<string>(resolve => {
    socket.on('data', chunk => {
      answer += chunk
    })
    socket.on('close', () => resolve(answer)).on('error', () => resolve(answer))
  })
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n`)
  socket.write(`Content-Length: ${length}\r\n\r\n${bytes}`)
  return {
    async finish(rest) {
      socket.write(rest)
      return ended
    },
  }
}

async function hasBytes({ send }: Lab, location: string, range: string): Promise<void> {
  while ((await send('GET', location)).headers.range !== range);
}

async function endsElsewhere(t: Test, first: Lab): Promise<void> {
  const second = await first.another()
  const location = (await first.send('POST', '/v2/a/blobs/uploads/')).headers.location ?? ''
  const chunk = await beginChunk(second, location, { length: 6, bytes: 'abc' })
  await hasBytes(first, location, '0-2')
  const put = await first.send('PUT', `${location}?digest=${digestOf('abc')}`)
  t.same([put.status, put.code], [400, 'BLOB_UPLOAD_INVALID'], 'the other server still has it')
  t.equal((await first.send('DELETE', location)).code, 'BLOB_UPLOAD_INVALID', 'nor is it given up')
  t.match(await chunk.finish('def'), /^HTTP\/1.1 202 /)
  for (const lab of [first, second]) {
    const blob = await lab.send('GET', `/v2/a/blobs/${digestOf('abc')}`)
    t.equal(blob.code, 'BLOB_UNKNOWN', `no blob of other bytes: ${blob.body}`)
  }
  t.equal((await first.send('PUT', `${location}?digest=${digestOf('abcdef')}`)).status, 201)
  t.equal((await second.send('GET', `/v2/a/blobs/${digestOf('abcdef')}`)).body.toString(), 'abcdef')
}

async function endsTwice(t: Test, first: Lab): Promise<void> {
  const second = await first.another()
  const location = (await first.send('POST', '/v2/a/blobs/uploads/')).headers.location ?? ''
  const end = `${location}?digest=${digestOf('abc')}`
  const answers = await Promise.all([first, second].map(lab => lab.send('PUT', end, { body: 'abc' })))
  const statuses = answers.map(({ status }) => status).sort()
  t.equal(statuses[0], 201, 'one of them takes it')
  t.ok([400, 404].includes(statuses[1] ?? 0), `the other one is told: ${statuses[1]}`)
  const late = await second.send('PATCH', location, { body: 'x' })
  t.equal(late.code, 'BLOB_UPLOAD_UNKNOWN')
  t.equal((await first.send('GET', `/v2/a/blobs/${digestOf('abc')}`)).body.toString(), 'abc')
  t.same(find(first.dir, 'startedat'), [], 'nothing is left of the session')
}

async function foreignSession(t: Test, lab: Lab): Promise<void> {
  const location = (await lab.send('POST', '/v2/a/blobs/uploads/')).headers.location ?? ''
  const [lock = ''] = find(lab.dir, 'lock')
  fs.rmSync(lock)
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE'])
    t.equal(
      (await lab.send(method, `${location}?digest=${digestOf('')}`)).code,
      'BLOB_UPLOAD_UNKNOWN',
      method,
    )
  const later = await lab.restart({ now: () => Date.now() + 7_200_000 })
  t.same(find(later.dir, 'startedat'), [], 'but it is swept when its time has come')
}

async function floods(t: Test, lab: Lab): Promise<void> {
  let now = Date.now()
  const { send } = await lab.another({ limits: { uploadExpiryMs: HOUR_MS, maxUploads: 5 }, now: () => now })
  const begin = (): Promise<{ status: number; code: string | undefined; headers: object }> =>
    send('POST', '/v2/a/blobs/uploads/')
  const statuses: number[] = []
  for (let number = 0; number < 5; number++) statuses.push((await begin()).status)
  t.same(statuses, [202, 202, 202, 202, 202])
  for (const wait of [0, 2000]) {
    now += wait
    const { status, code, headers } = await begin()
    t.same([status, code], [429, 'TOOMANYREQUESTS'], 'one more than there may be')
    t.match(headers, { 'retry-after': /^\d+$/ })
  }
  t.equal(find(lab.dir, 'startedat').length, 5, 'the disk does not fill either')
  t.equal((await push(await lab.another(), 'a', '1')).status, 201, 'another server counts its own')
  now += 400_000
  t.equal((await begin()).status, 202, 'after five minutes without a byte the oldest one gives way')
  t.equal((await begin()).status, 202, 'and the next')
  t.equal(find(lab.dir, 'startedat').length, 5)
}

// Only files that are made under this umask count, not the temporary folder around them.
async function modes(t: Test, kind: 'layout' | 'folder', umask: number): Promise<void> {
  const before = process.umask(umask)
  try {
    const lab = await startLab(t, kind)
    await push(lab, 'x/app', '1')
    await lab.send('POST', '/v2/x/app/blobs/uploads/')
    for (const name of ['', ...fs.readdirSync(lab.dir, { recursive: true, encoding: 'utf8' })]) {
      const stat = fs.statSync(path.join(lab.dir, name))
      const mode = (stat.mode & 0o777).toString(8)
      t.equal(stat.mode & 0o022, 0, `nobody else writes to "${name}": ${mode}`)
      const isSession = /uploads\/.*[0-9a-f]{8}-[^/]*$/.test(name)
      const expected = isSession ? 0o700 : 0o755 & ~umask
      if (stat.isDirectory()) t.equal(mode, expected.toString(8), `the folder "${name}"`)
    }
  } finally {
    process.umask(before)
  }
}

function find(dir: string, name: string): string[] {
  const all = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' })
  return all.filter(file => path.basename(file) === name).map(file => path.join(dir, file))
}

t.test('writes on to an ended upload where the kernel has no locks', async t => {
  const dir = tempDir(t)
  const adopted = path.join(dir, 'blob')
  const repository = {
    uploads: path.join(dir, 'uploads'),
    adoptBlob: async (_digest: string, { file }: { file: string }) => fs.renameSync(file, adopted),
  } as unknown as RepositoryStorage
  const uploads = new Uploads({ maxBytes: 10, maxOpen: 10, expiryMs: 1, now: () => 0, canLock: false })
  const id = uploads.create(repository)
  const fd = fs.openSync(path.join(dir, 'uploads', id, 'data'), 'r+')
  t.teardown(() => fs.closeSync(fd))
  fs.writeSync(fd, 'abc')
  await uploads.use(
    { repository, id },
    () => undefined,
    upload => upload.finish(repository, digestOf('abc')),
  )
  fs.writeSync(fd, 'def')
  t.equal(fs.readFileSync(adopted, 'utf8'), 'abc')
})

t.test('lets a name of its own point to a server without passwords', async t => {
  const lab = await startLab(t, 'layout', { names: ['Registry.Example'] })
  const here = lab.server.address
  const rows: readonly (readonly [headers: Record<string, string>, status: number, why: string])[] = [
    [{ host: here }, 200, 'its address'],
    [{ host: '[::1]:5000' }, 200, 'an address of IPv6'],
    [{ host: 'localhost:5000' }, 200, 'this machine'],
    [{ host: 'registry.localhost' }, 200, 'this machine too'],
    [{ host: 'registry.example:5000' }, 200, 'a name that it was started with'],
    [{ host: 'REGISTRY.example.' }, 200, 'the same, written otherwise'],
    [{ host: 'evil.example:5000' }, 403, 'a name that points here'],
    [{ host: 'evil.example', origin: 'http://evil.example' }, 403, 'and a page of it'],
    [{ host: 'localhost.evil.example' }, 403, 'a name that begins like ours'],
    [{ host: '127.0.0.1.evil.example' }, 403, 'a name that begins like an address'],
    [{ host: here, origin: `http://${here}` }, 200, 'a page of this server'],
    [{ host: here, origin: 'http://evil.example' }, 403, 'a page of another one'],
    [{ host: here, origin: 'null' }, 403, 'a page without an origin'],
    [{ host: here, origin: 'http://127.0.0.1:1' }, 403, 'a page of another port'],
  ]
  for (const [headers, status, why] of rows) {
    const answer = await lab.send('GET', '/v2/', { headers })
    t.equal(answer.status, status, `${why}: ${answer.body}`)
    if (status === 403) t.equal(answer.code, 'DENIED', why)
  }
  const evil = { headers: { host: here, origin: 'http://evil.example', 'content-type': 'text/plain' } }
  t.equal((await lab.send('POST', '/v2/a/blobs/uploads/', evil)).status, 403, 'nor does a page push')
})
