import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import type { AnyRecord } from '@pipelayer/records'
import { ROOT, startPipe, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { listenAddress } from '../src/address.js'
import { type RegistryServeOptions, registryServe } from '../src/index.js'
import { servedPlace } from '../src/served-place.js'

const PROGRAM = path.join(ROOT, 'tools/registry-serve/dist/cli.cjs')
const isBuilt = fs.existsSync(PROGRAM) ? false : 'needs the program: npm run build'

t.test('addresses', async t => {
  const rows: readonly (readonly [text: string, host: string, port: number, why: string])[] = [
    ['127.0.0.1:5000', '127.0.0.1', 5000, 'an address'],
    ['localhost:0', 'localhost', 0, 'a name, any port'],
    ['[::1]:65535', '::1', 65_535, 'IPv6'],
    [':5000', '::', 5000, 'all addresses'],
    ['5000', '127.0.0.1', 5000, 'a port alone is not opened to others'],
  ]
  for (const [text, host, port, why] of rows) t.same(listenAddress(text), { host, port }, why)
  for (const text of ['', 'host', 'host:', 'h:65536', 'h:x', '::1:5000', 'a b:5', 'http://h:5'])
    t.throws(() => listenAddress(text), { code: 'ADDRESS_INVALID', status: 2 }, text)
})

t.test('places', async t => {
  const rows: readonly (readonly [
    text: string,
    given: 'layout' | 'folder' | undefined,
    place: object | string,
    why: string,
  ])[] = [
    ['images', undefined, { dir: 'images', kind: undefined }, 'a folder'],
    ['images', 'folder', { dir: 'images', kind: 'folder' }, 'a folder, and what it is'],
    ['oci:images', undefined, { dir: 'images', kind: 'layout' }, 'as blob-put names it'],
    ['oci:images', 'layout', { dir: 'images', kind: 'layout' }, 'said twice'],
    ['oci:/srv/a', undefined, { dir: '/srv/a', kind: 'layout' }, 'an absolute one'],
    ['registry-fs:root', undefined, { dir: 'root', kind: 'folder' }, "distribution's folder"],
    ['store:', undefined, { dir: '/the/store', kind: 'layout', isStore: true }, 'the local store'],
    ['./oci:x', undefined, { dir: './oci:x', kind: undefined }, 'a folder with a name like a place'],
    ['a:b', undefined, { dir: 'a:b', kind: undefined }, 'a folder with a colon in its name'],
    ['oci:', undefined, 'PLACE_INVALID', 'no folder'],
    ['oci:images:1', undefined, 'PLACE_INVALID', 'an image: all of them are served'],
    ['registry-fs:root:app:1', undefined, 'PLACE_INVALID', 'an image of it'],
    ['store:app', undefined, 'PLACE_INVALID', 'an image of the store'],
    ['docker://host/app', undefined, 'PLACE_INVALID', 'no folder of ours'],
    ['docker-archive:a.tar', undefined, 'PLACE_INVALID', 'an archive'],
    ['docker-store:/d', undefined, 'PLACE_INVALID', "an engine's folder"],
    ['oci-archive:a.tar', undefined, 'PLACE_INVALID', 'an archive of another kind'],
    ['oci:images', 'folder', 'USAGE', 'two things at once'],
    ['registry-fs:root', 'layout', 'USAGE', 'two things at once'],
    ['store:', 'folder', 'USAGE', 'two things at once'],
  ]
  for (const [text, given, place, why] of rows) {
    const read = (): unknown => servedPlace(text, given, () => '/the/store')
    if (typeof place === 'string') t.throws(read, { code: place, status: 2 }, why)
    else t.same(read(), place, why)
  }
})

interface Started {
  readonly record: AnyRecord
  readonly warnings: string[]
  end(): Promise<void>
}

async function start(options: Partial<RegistryServeOptions> & { dir: string }): Promise<Started> {
  const lifeline = new PassThrough()
  const warnings: string[] = []
  const fixed = { listen: '127.0.0.1:0', uploadExpiry: 24, signal: new AbortController().signal, lifeline }
  const warn = (message: string): unknown => warnings.push(message)
  const records = registryServe({ ...fixed, now: () => new Date(), warn, ...options })
  const { value } = await records.next()
  const end = async (): Promise<void> => {
    lifeline.end()
    await records.next()
  }
  return { record: value as AnyRecord, warnings, end }
}

t.test('what DIR is', async t => {
  const dir = tempDir(t)
  fs.mkdirSync(`${dir}/registry/docker/registry/v2`, { recursive: true })
  fs.mkdirSync(`${dir}/empty`)
  const rows: readonly (readonly [
    name: string,
    kind: 'layout' | 'folder' | undefined,
    got: string,
    why: string,
  ])[] = [
    ['new', undefined, 'layout', 'nothing there: a layout'],
    ['new', undefined, 'layout', 'the layout that was made'],
    ['empty', 'folder', 'folder', 'as it was said'],
    ['registry', undefined, 'folder', 'what it holds'],
  ]
  for (const [name, kind, got, why] of rows) {
    const { record, end } = await start({ dir: `${dir}/${name}`, ...(kind && { kind }) })
    t.match(
      record,
      { type: 'listening', dir: `${dir}/${name}`, kind: got, address: /^127\.0\.0\.1:\d+$/ },
      why,
    )
    await end()
  }
  fs.writeFileSync(`${dir}/file`, '')
  const wrong: readonly (readonly [
    options: Partial<RegistryServeOptions> & { dir: string },
    code: string,
  ])[] = [
    [{ dir }, 'STORAGE_UNKNOWN'],
    [{ dir: `${dir}/absent`, readOnly: true }, 'LAYOUT_MISSING'],
    [{ dir: `${dir}/absent`, kind: 'folder', readOnly: true }, 'FOLDER_MISSING'],
    [{ dir: `${dir}/new`, htpasswd: `${dir}/absent` }, 'ENOENT'],
    [{ dir: `${dir}/new`, tls: { cert: `${dir}/file`, key: `${dir}/file` } }, 'TLS_INVALID'],
    [{ dir: `${dir}/new`, listen: 'x' }, 'ADDRESS_INVALID'],
    [{ dir: `${dir}/new`, listen: '192.0.2.1:1' }, 'EADDRNOTAVAIL'],
  ]
  for (const [options, code] of wrong) await t.rejects(start(options), { code }, code)
  t.notOk(fs.existsSync(`${dir}/absent`), 'read-only makes nothing')
})

t.test('a server for others says what that means', async t => {
  const dir = `${tempDir(t)}/l`
  const users = `${dir}.users`
  fs.writeFileSync(users, '')
  const rows: readonly (readonly [options: Partial<RegistryServeOptions>, warnings: number])[] = [
    [{}, 1],
    [{ readOnly: true }, 0],
    [{ htpasswd: users }, 1],
    [{ listen: 'localhost:0' }, 0],
  ]
  for (const [options, count] of rows) {
    const { warnings, end } = await start({ dir, listen: '0.0.0.0:0', ...options })
    t.equal(warnings.length, count, warnings.join())
    await end()
  }
})

t.test('the program', { skip: isBuilt }, async t => {
  const dir = tempDir(t)
  const serve = `exec node ${PROGRAM} ${dir}/l --listen 127.0.0.1:0`
  t.test('ends with its stdin', async t => {
    const { status, stdout, stderr } = spawnSync('bash', ['-c', `${serve} --until-eof`], {
      input: 'x',
      encoding: 'utf8',
    })
    t.same([status, stderr], [0, ''])
    t.match(
      stdout,
      /^\{"type":"listening".*\n\{"type":"end","tool":"registry-serve","records":1,"failed":0\}\n$/,
    )
  })
  t.test('SIGTERM: a push that runs is finished', async t => {
    const out = `${dir}/out`
    const pipe = startPipe(`(${serve}) > ${out} & echo $! > ${dir}/pid; wait $!; echo $? > ${dir}/status`)
    await waitUntil(
      'it listens',
      () => fs.existsSync(out) && fs.readFileSync(out, 'utf8').includes('\n'),
      20_000,
    )
    const { url } = JSON.parse(fs.readFileSync(out, 'utf8').split('\n')[0] ?? '') as { url: string }
    const location = await new Promise<string>((resolve, reject) =>
      http
        .request(`${url}/v2/a/blobs/uploads/`, { method: 'POST', agent: false }, answer =>
          resolve(answer.resume().headers.location ?? ''),
        )
        .on('error', reject)
        .end(),
    )
    const request = http.request(url + location, {
      method: 'PATCH',
      agent: false,
      headers: { 'content-length': '6' },
    })
    const answered = new Promise<number | undefined>((resolve, reject) =>
      request.on('response', answer => resolve(answer.resume().statusCode)).on('error', reject),
    )
    request.write('abc')
    const data = `${dir}/l${location.replace('/v2/a/blobs/uploads', '/uploads/a')}/data`
    await waitUntil('it has the first bytes', () => fs.statSync(data).size === 3, 20_000)
    process.kill(Number(fs.readFileSync(`${dir}/pid`, 'utf8')), 'SIGTERM')
    await waitUntil('it takes no one else', async () => !(await connects(url)), 20_000)
    request.end('def')
    t.equal(await answered, 202)
    const { stderr } = await pipe.done
    t.equal(fs.readFileSync(`${dir}/status`, 'utf8'), '143\n')
    t.match(stderr, /^registry-serve: ended by SIGTERM \[STOPPED\]\n$/)
    t.equal(fs.readFileSync(data, 'utf8'), 'abcdef', 'what came stays for the next server')
  })
  t.test('serves the places that other tools name, and makes no folder of such a name', async t => {
    const env = { ...process.env, PIPELAYER_STORE: path.join(dir, 'home/store') }
    for (const [place, made, kind] of [
      ['oci:p/images', 'p/images/oci-layout', 'layout'],
      ['registry-fs:p/root', 'p/root/docker/registry/v2', 'folder'],
      ['store:', 'home/store/lease', 'layout'],
    ] as const) {
      const args = [PROGRAM, place, '--listen', '127.0.0.1:0', '--until-eof']
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: dir,
        encoding: 'utf8',
        env,
      })
      t.same([status, stderr], [0, ''], place)
      t.match(JSON.parse(stdout.split('\n')[0] ?? ''), { kind }, place)
      t.ok(fs.existsSync(path.join(dir, made)), `${place} is ${made}`)
      t.notOk(fs.existsSync(path.join(dir, place.replace(/\/.*/, ''))), 'and nothing else')
    }
  })
  t.test('command lines that are wrong', async t => {
    for (const words of [
      '',
      'a b',
      '--layout --folder d',
      '--tls-key k d',
      '--listen x d',
      '--max-blob-bytes -1 d',
      'oci:d --folder',
      'oci:d:1',
    ]) {
      const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...words.split(' ').filter(Boolean)], {
        cwd: dir,
        encoding: 'utf8',
      })
      t.equal(status, 2, `${words}: ${stderr}`)
    }
  })
})

function connects(url: string): Promise<boolean> {
  return new Promise(resolve => {
    http
      .get(`${url}/v2/`, { agent: false }, answer => resolve(answer.resume().statusCode === 200))
      .on('error', () => resolve(false))
  })
}
