// Files of the web and git repositories.

import fs from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { Store } from '@pipelayer/store'
import { commit, git, need, repository, type Scope, serve, serveGit, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { resolveCommit } from '../src/git-repository.js'
import { absoluteRemote, type CheckoutOptions, checkoutCommit, subdirectory } from '../src/git-source.js'
import { fetchHttp, httpFileName } from '../src/http-source.js'

const SUM = {
  sha256: 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
  sha512:
    'sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043',
}

function storeIn(t: Scope): Store {
  return Store.open(path.join(tempDir(t, 'remote'), 'store'))
}

/** Whether garbage collection takes a file for one that was used. */
function isMarked(file: string): boolean {
  return fs.statSync(file).mtimeMs > 1000
}

t.test('a file of the web', async t => {
  const store = storeIn(t)
  let etag: string | undefined = '"1"'
  const web = await serve(t, (request, response) => {
    if (request.url === '/moved') return response.writeHead(302, { location: '/f' }).end()
    if (request.url === '/loop') return response.writeHead(302, { location: '/loop' }).end()
    if (request.url === '/inside') return response.writeHead(302, { location: 'http://10.0.0.1/' }).end()
    if (request.url === '/none') return response.writeHead(404).end()
    const { authorization } = request.headers
    if (request.url === '/account' && authorization !== 'Basic dTpwQHM=') return response.writeHead(401).end()
    if (etag !== undefined && request.headers['if-none-match'] === etag) return response.writeHead(304).end()
    const modified = { 'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT' }
    return response.writeHead(200, { ...(etag && { etag }), ...modified }).end('hello')
  })
  const { env } = process
  const first = await fetchHttp(`${web.url}/f`, { store, env })
  t.match(first, { digest: SUM.sha256, size: 5, mtime: 1_700_000_000, path: store.blobPath(first.digest) })
  t.same(await fetchHttp(`${web.url}/f`, { store, env }), first, '304: what came before')
  etag = undefined
  t.same(await fetchHttp(`${web.url}/f`, { store, env }), first, 'all of it again')
  t.equal((await fetchHttp(`${web.url}/moved`, { store, env })).digest, SUM.sha256, 'a redirect')
  t.equal((await fetchHttp(`${web.url.replace('//', '//u:p%40s@')}/account`, { store, env })).size, 5)
  const asked = web.asked.length
  await fetchHttp(`${web.url}/f`, { store, env, checksum: SUM.sha256 })
  t.equal(web.asked.length, asked, 'a known checksum is not asked for')
  const notes = fs.readdirSync(store.folder('http')).map(name => path.join(store.folder('http'), name))
  for (const file of [...notes, first.path]) fs.utimesSync(file, 1, 1)
  await fetchHttp(`${web.url}/f`, { store, env, checksum: SUM.sha256 })
  t.equal(notes.filter(isMarked).length, 1, 'what is known of the address is marked as used')
  t.ok(isMarked(first.path), 'with its blob')
  for (let count = 0; count < 2; count++)
    await fetchHttp(`${web.url}/f`, { store, env, checksum: SUM.sha512 })
  t.equal(web.asked.length, asked + 1, 'nor one of another algorithm, the second time')
  const failing: readonly [name: string, checksum: string | undefined, code: string][] = [
    ['/none', undefined, 'NOT_FOUND'],
    ['/loop', undefined, 'REDIRECT_INVALID'],
    ['/inside', undefined, 'ADDRESS_REFUSED'],
    ['/f', SUM.sha256.replace('2cf', '3cf'), 'CHECKSUM_MISMATCH'],
    ['/f', 'md5:1', 'CHECKSUM_INVALID'],
  ]
  for (const [name, checksum, code] of failing)
    await t.rejects(fetchHttp(web.url + name, { store, env, ...(checksum && { checksum }) }), { code }, name)
  t.notMatch(fs.readdirSync(path.join(store.root, 'http')).join(), /127/, 'no address is kept')
})

t.test('a server that answers no HTTP, or no end', async t => {
  const trickle = (response: ServerResponse): void => {
    const timer = setInterval(() => response.socket?.write('x'), 10)
    response.socket?.once('close', () => clearInterval(timer))
  }
  const web = await serve(t, ({ url }, response) => {
    const say = (text: string): void => void response.socket?.end(text)
    if (url === '/garbage') return say('this is no HTTP\r\n\r\n')
    if (url === '/length') return say('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n')
    if (url === '/chunk') return say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')
    if (url === '/slow') {
      response.socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n')
      trickle(response)
    }
  })
  const retry = { tries: 2, baseMs: 1, maxMs: 1, totalMs: 200 }
  const rows: readonly [name: string, code: string, asked: number, why: string][] = [
    ['/garbage', 'RESPONSE_INVALID', 2, 'no HTTP'],
    ['/length', 'RESPONSE_INVALID', 2, 'a negative length'],
    ['/chunk', 'RESPONSE_INVALID', 2, 'a broken chunk'],
    ['/slow', 'TIME_LIMIT', 1, 'a body that trickles'],
    ['/never', 'TIME_LIMIT', 1, 'no answer'],
  ]
  for (const [name, code, asked, why] of rows) {
    const store = storeIn(t)
    const run = fetchHttp(web.url + name, { store, env: {}, retry })
    await t.rejects(run, { code, status: 75 }, why)
    t.equal(web.asked.filter(line => line.endsWith(name)).length, asked, `asked for: ${why}`)
  }
})

t.test('a git server that keeps silent', { skip: need('git') }, async t => {
  const web = await serve(t, () => undefined)
  const options = { store: storeIn(t), env: process.env, retry: { totalMs: 1000 } }
  await t.rejects(resolveCommit({ remote: `${web.url}/r.git` }, options), {
    code: 'GIT_FAILED',
    status: 75,
    message: /too slow/,
  })
})

t.test('the name of a file of the web', async t => {
  const rows: readonly [address: string, name: string][] = [
    ['http://h/a/b.tar?x=1#y', 'b.tar'],
    ['http://h/a/b/', 'b'],
    ['http://h', '__unnamed__'],
    ['http://h/a%20b', 'a b'],
    ['http://h/x%2F..%2Fy', 'y'],
    ['http://h/%2e%2e', '__unnamed__'],
    ['http://h/a%2F..', '__unnamed__'],
    ['http://h/%zz', '%zz'],
  ]
  for (const [address, name] of rows) t.equal(httpFileName(address), name, address)
})

t.test('which commit a reference is', { skip: need('git') }, async t => {
  const dir = tempDir(t, 'git')
  const repo = repository(path.join(dir, 'r.git'), { f: '1' })
  git(repo, 'tag', '-a', 'v1', '-m', 'x')
  const [one, tag] = [git(repo, 'rev-parse', 'HEAD').trim(), git(repo, 'rev-parse', 'v1').trim()]
  git(repo, 'branch', 'both')
  const two = commit(repo, { f: '2' })
  git(repo, 'tag', 'both')
  git(repo, 'update-ref', 'refs/pull/1/head', one)
  const web = await serveGit(t, dir)
  const options = { store: storeIn(t), env: process.env }
  const remote = `${web.url}/r.git/.git`
  const rows: readonly [ref: string | undefined, checksum: string | undefined, want: string, why: string][] =
    [
      [undefined, undefined, two, 'the default branch'],
      ['main', undefined, two, 'a branch'],
      ['v1', undefined, one, 'an annotated tag is the commit that it names'],
      ['v1', one.slice(0, 8), one, 'held to its commit'],
      ['v1', tag, one, 'or to the tag itself'],
      ['both', undefined, two, 'a tag before a branch'],
      ['refs/heads/both', undefined, one, 'unless it says which'],
      ['pull/1/head', undefined, one, 'any other name'],
      [one.toUpperCase(), undefined, one, 'a commit'],
      ['nothing', undefined, 'GIT_REF_UNKNOWN', 'no such name'],
      ['main', one, 'GIT_CHECKSUM_MISMATCH', 'another commit'],
      ['main', 'xyz', 'GIT_REF_INVALID', 'no commit'],
      ['../../x', undefined, 'GIT_REF_INVALID', 'a name that climbs'],
      ['--upload-pack=touch /x', undefined, 'GIT_REF_INVALID', 'an option'],
      ['-x', undefined, 'GIT_REF_UNKNOWN', 'a name that looks like one'],
    ]
  for (const [ref, checksum, want, why] of rows) {
    const found = resolveCommit({ remote, ref, checksum }, options)
    if (/^[A-Z]/.test(want)) await t.rejects(found, { code: want }, why)
    else t.equal((await found).commit, want, why)
  }
})

t.test('a commit on the disk', { skip: need('git') }, async t => {
  const dir = tempDir(t, 'git')
  repository(path.join(dir, 'inner'), { deep: 'd' })
  const repo = repository(path.join(dir, 'r'), { f: '1', 'sub/x': 'x', link: '->/nowhere', 'a&b': '' })
  fs.writeFileSync(path.join(repo, '.gitattributes'), 'f filter=evil\n')
  git(repo, 'submodule', 'add', '-q', '../inner', 'mods/in')
  git(repo, 'config', '-f', '.gitmodules', 'submodule.mods/in.url', '../../inner/.git')
  fs.mkdirSync(path.join(repo, 'bin'))
  fs.writeFileSync(path.join(repo, 'bin/run'), '', { mode: 0o755 })
  const head = commit(repo, {})
  for (const kind of ['smart', 'dumb'] as const) {
    const web = await serveGit(t, dir, kind)
    const options = { store: storeIn(t), env: { ...process.env, GIT_DIR: '/nowhere' } }
    const out = async (more: Partial<CheckoutOptions> = {}): Promise<string> => {
      const place = fs.mkdtempSync(path.join(dir, 'out-'))
      await checkoutCommit(
        { remote: `${web.url}/r/.git`, commit: { commit: head }, dir: place },
        { ...options, ...more },
      )
      return place
    }
    const place = await out()
    const names = fs.readdirSync(place, { recursive: true }).map(String).sort()
    const want = ['.gitattributes', '.gitmodules', 'a&b', 'bin', 'bin/run', 'f', 'link', 'mods', 'mods/in']
    t.same(names, [...want, 'mods/in/deep', 'sub', 'sub/x'], kind)
    t.equal(fs.statSync(path.join(place, 'bin/run')).mode & 0o777, 0o755)
    t.equal(fs.statSync(path.join(place, 'f')).mtimeMs, 1_700_000_000_000, 'the time of the commit')
    t.equal(fs.readlinkSync(path.join(place, 'link')), '/nowhere')
    t.same(fs.readdirSync(path.join(await out({ submodules: false }), 'mods/in')), [], 'without submodules')
    const kept = await out({ keepGitDir: true })
    t.equal(git(kept, 'rev-parse', 'HEAD').trim(), head)
    t.equal(git(kept, 'status', '--porcelain').trim(), '', 'a clean repository')
    t.equal(git(kept, 'config', 'remote.origin.url').trim(), `${web.url}/r/.git`)
    t.same(fs.existsSync(path.join(kept, '.git/hooks')), false, 'no hooks')
    const asked = web.asked.length
    await out()
    t.equal(web.asked.length, asked, 'what is there is not fetched again')
    const folder = options.store.folder('git')
    const used = fs.readdirSync(folder).map(name => path.join(folder, name))
    for (const file of used) fs.utimesSync(file, 1, 1)
    await out()
    t.ok(
      used.filter(file => file.endsWith('.lock')).every(isMarked),
      'but its repositories are marked as used',
    )
    t.equal(subdirectory(place, 'sub/./'), path.join(place, 'sub'))
    for (const name of ['..', 'sub/../../x', 'link', 'link/x', 'f', 'none', 'a\0b'])
      t.equal(subdirectory(place, name), undefined, `no subdirectory: ${name}`)
  }
})

t.test('where a submodule lies', async t => {
  const rows: readonly [url: string, parent: string, want: string][] = [
    ['../b', 'https://h/x/a.git', 'https://h/x/b'],
    ['./b', 'https://h/x/a.git/', 'https://h/x/a.git/b'],
    ['../../y/b', 'https://h/x/a', 'https://h/y/b'],
    ['../b', 'git@h:x/a', 'git@h:x/b'],
    ['https://o/b', 'https://h/a', 'https://o/b'],
  ]
  for (const [url, parent, want] of rows) t.equal(absoluteRemote(url, parent), want, url)
  for (const url of [
    '/etc',
    'file:///etc',
    'ext::sh -c id',
    '../../../../..//etc',
    '-x',
    'ssh://-oProxyCommand=id/x',
  ])
    t.throws(() => absoluteRemote(url, 'https://h/a'), { code: 'GIT_SUBMODULE_INVALID' }, url)
})
