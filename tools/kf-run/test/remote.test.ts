// ADD from the network: the names, modes and times of the files in the image, and when the cache is used.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { commit, git, need, repository, serve, serveGit, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { changes, content, Lab } from './kit.js'

const skip = need('root', 'busybox', 'git', 'tar')
const HELLO = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'

t.test('ADD of a file of the web', { skip }, async t => {
  const here = new Lab(tempDir(t, 'remote'))
  here.file('local', 'l')
  here.file('in/f', 'x')
  const archive = execFileSync('tar', ['-cz', '-C', `${here.context}/in`, 'f'])
  const web = await serve(t, (request, response) => {
    if (request.url === '/a.tgz') return response.end(archive)
    if (request.url === '/none') return response.writeHead(404).end()
    return response.writeHead(200, { 'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT' }).end('hello')
  })
  const rows: readonly [step: string, want: readonly string[] | RegExp, why: string][] = [
    ['f.txt?q=1 /n', ['add n file 0600 0:0'], 'for its owner alone'],
    ['f.txt?q=1 /d/', ['add d dir 0755 0:0', 'add d/f.txt file 0600 0:0'], 'the name is in the path'],
    ['/ /d/', ['add d dir 0755 0:0', 'add d/__unnamed__ file 0600 0:0'], 'or nowhere'],
    ['f --chmod=u=rw,go=r --chown=5:6 /n', ['add n file 0644 5:6'], 'mode and owner'],
    ['a.tgz /n', ['add n file 0600 0:0'], 'an archive is a file'],
    ['a.tgz --unpack /n', ['add n dir 0755 0:0', 'add n/f file 0644 0:0'], 'unless it is to be unpacked'],
    ['f --unpack /n', ['add n file 0600 0:0'], 'what is none stays a file'],
    [`f --checksum=${HELLO} /n`, ['add n file 0600 0:0'], 'the right checksum'],
    [
      `f --checksum=${HELLO.replace('2c', '3c')} /n`,
      /expected sha256:3c.*\[CHECKSUM_MISMATCH\]/,
      'a wrong one',
    ],
    ['none /n', /answered 404.*\[NOT_FOUND\]/, 'what is not there'],
    ['f local --checksum=sha256:0 /n/', /one source \[CHECKSUM_INVALID\]/, 'which of both?'],
    [
      'f local g /d/',
      ['add d dir 0755 0:0', 'add d/f file 0600 0:0', 'add d/g file 0600 0:0', 'add d/local file 0644 0:0'],
      'together with files',
    ],
  ]
  for (const [step, want, why] of rows) {
    const flags = step.match(/ --\S+/g)?.join('') ?? ''
    const paths = step.replace(/ --\S+/g, '').split(' ')
    const words = paths.map(word =>
      /^(f|g|none|a\.tgz|f\.txt.*|\/)$/.test(word) && word !== paths.at(-1)
        ? `${web.url}/${word.replace(/^\//, '')}`
        : word,
    )
    const { snapshots, stderr } = await here.run(`FROM scratch\nADD${flags} ${words.join(' ')}\n`)
    if (want instanceof RegExp) t.match(stderr, want, why)
    else t.same(changes(snapshots[0]), want, `${why} ${stderr}`)
  }
  const copied = await here.run(`FROM scratch\nCOPY ${web.url}/f /n\n`)
  t.match(copied.stderr, /COPY takes files.*\[SOURCE_INVALID\]/)
  const { snapshots, config } = await here.run(`FROM scratch\nARG U=${web.url}\nADD $U/f /n\n`)
  t.equal(fs.statSync(path.join(snapshots[0]?.upper ?? '', 'n')).mtimeMs, 1_700_000_000_000)
  t.match(config.history.at(-1).created_by, `ADD ${web.url}/f /n # buildkit`)
})

t.test('the cache of ADD from the network', { skip }, async t => {
  const here = new Lab(tempDir(t, 'remote'))
  let body = 'hello'
  const web = await serve(t, (_, response) => response.end(body))
  const plain = `FROM scratch\nADD ${web.url}/f /n\n`
  const first = await here.run(plain)
  t.match((await here.run(plain)).stderr, /\(cached\)/, 'the same content')
  body = 'other'
  const second = await here.run(plain)
  t.notMatch(second.stderr, /\(cached\)/, 'another content')
  t.equal(content(second.snapshots[0], 'n'), 'other')
  t.not(second.snapshots[0]?.cacheKey, first.snapshots[0]?.cacheKey)
  body = 'hello'
  const pinned = `FROM scratch\nADD --checksum=${HELLO} ${web.url}/g /n\n`
  await here.run(pinned)
  const asked = web.asked.length
  t.match((await here.run(pinned)).stderr, /\(cached\)/)
  t.equal(web.asked.length, asked, 'what is pinned is not asked for')
})

t.test('ADD of a git repository', { skip }, async t => {
  const dir = tempDir(t, 'git')
  const here = new Lab(path.join(dir, 'lab'))
  const repo = repository(path.join(dir, 'srv/r.git'), { f: '1', 'sub/x': 'x', 'sub/out': '->../../../etc' })
  git(repo, 'tag', 'v1')
  const two = commit(repo, { f: '2' })
  const web = await serveGit(t, path.join(dir, 'srv'))
  const url = `${web.url}/r.git/.git`
  const sub = ['add d dir 0755 0:0', 'add d/out symlink 0777 0:0', 'add d/x file 0644 0:0']
  const rows: readonly [step: string, want: readonly string[] | RegExp, why: string][] = [
    [`${url}#v1:sub /d`, sub, 'a subdirectory'],
    [`${url}?tag=v1&subdir=sub /d`, sub, 'said in a query'],
    [
      `--exclude=out --chown=7 ${url}#v1:sub /d`,
      ['add d dir 0755 7:7', 'add d/x file 0644 7:7'],
      'as COPY has it',
    ],
    [`--checksum=${two} ${url}#v1 /d`, /\[GIT_CHECKSUM_MISMATCH\]/, 'another commit'],
    [`${url}?ref=v1&commit=${two}&subdir=sub /d`, /\[GIT_CHECKSUM_MISMATCH\]/, 'also said in a query'],
    [`${url}?ref=v1&commit=${two}&subdir=sub&fetch-by-commit=1 /d`, sub, 'unless the commit is what counts'],
    [`--checksum=${two} ${url}?tag=v1&subdir=sub&fetch-by-commit /d`, sub, 'said by a flag'],
    [
      `${url}?commit=${two.slice(0, 8)}&fetch-by-commit /d`,
      /whole name.*\[GIT_REF_INVALID\]/,
      'no whole name',
    ],
    [`${url}?tag=v1&fetch-by-commit /d`, /whole name.*\[GIT_REF_INVALID\]/, 'none at all'],
    [`${url}#v1:../.. /d`, /no directory "..\/..".*\[GIT_SUBDIR_INVALID\]/, 'out of it: CVE-2026-33748'],
    [`${url}#v1:sub/out /d`, /\[GIT_SUBDIR_INVALID\]/, 'by a symlink'],
    [`${url}#v1:f /d`, /\[GIT_SUBDIR_INVALID\]/, 'no directory'],
    [`${url}#nothing /d`, /\[GIT_REF_UNKNOWN\]/, 'no such reference'],
    [`${url}#../../x /d`, /\[GIT_REF_INVALID\]/, 'a reference that climbs'],
    [`${url}?what=1 /d`, /\[GIT_REF_INVALID\]/, 'an unknown query'],
  ]
  for (const [step, want, why] of rows) {
    const { snapshots, stderr } = await here.run(`FROM scratch\nADD ${step}\n`)
    if (want instanceof RegExp) t.match(stderr, want, why)
    else t.same(changes(snapshots[0]), want, `${why} ${stderr}`)
  }
  const head = await here.run(`FROM scratch\nADD ${url} /d\n`)
  t.equal(content(head.snapshots[0], 'd/f'), '2')
  t.notOk(fs.existsSync(path.join(head.snapshots[0]?.upper ?? '', 'd/.git')))
  t.match((await here.run(`FROM scratch\nADD ${url} /d\n`)).stderr, /\(cached\)/, 'the same commit')
  const kept = await here.run(`FROM scratch\nADD --keep-git-dir ${url} /d\n`)
  t.ok(fs.existsSync(path.join(kept.snapshots[0]?.upper ?? '', 'd/.git/HEAD')), kept.stderr)
  commit(repo, { f: '3' })
  t.equal(content((await here.run(`FROM scratch\nADD ${url} /d\n`)).snapshots[0], 'd/f'), '3', 'a new commit')
  t.same(fs.readdirSync(path.join(here.store, 'tmp')), [], 'nothing checked out stays')
})

t.test('contexts that are no directory', { skip: skip || need('zstd') }, async t => {
  const dir = tempDir(t, 'context')
  const here = new Lab(path.join(dir, 'lab'))
  here.file('f', '1')
  here.file('.dockerignore', 'f')
  here.file('out', '->../../../../etc/passwd')
  const repo = repository(path.join(dir, 'srv/r.git'), { 'in/f': '1', f: '2' })
  git(repo, 'tag', 'v1')
  const pack = (...flags: string[]): Buffer =>
    execFileSync('tar', [
      '-c',
      ...flags,
      '--owner=5',
      '--group=6',
      '-C',
      here.context,
      'f',
      '.dockerignore',
      'out',
    ])
  fs.writeFileSync(path.join(dir, 'c.tar'), pack())
  fs.writeFileSync(path.join(dir, 'c.zst'), pack('--zstd'))
  fs.writeFileSync(path.join(dir, 'none'), 'no archive')
  const repos = await serveGit(t, path.join(dir, 'srv'))
  const web = await serve(t, (request, response) => response.end(request.url === '/c' ? pack('-z') : 'text'))
  const url = `${repos.url}/r.git/.git`
  const kept = ['add f file 0644 5:6']
  const rows: readonly [args: string, step: string, want: readonly string[] | RegExp, why: string][] = [
    ['-c ../c.tar', 'COPY f /', kept, 'a tar keeps owners, .dockerignore means nothing'],
    ['-c ../c.zst', 'COPY f /', kept, 'compressed'],
    ['-c <(cat ../c.tar)', 'COPY f /', kept, 'through a pipe'],
    ['-c ../c.tar', 'COPY --chown=0 f /', ['add f file 0644 0:0'], 'unless --chown says'],
    ['-c ../c.tar', 'COPY out /', /not found.*\[NOT_FOUND\]/, 'a symlink that leaves it'],
    ['-c ../none', 'COPY f /', /neither a directory nor a tar.*\[CONTEXT_INVALID\]/, 'no tar'],
    ['-c ../missing', 'COPY f /', /\[ENOENT\]/, 'nothing'],
    [`-c ${url}`, 'COPY f /', ['add f file 0644 0:0'], 'a repository'],
    [`-c "${url}#v1:in"`, 'COPY . /d', ['add d dir 0755 0:0', 'add d/f file 0644 0:0'], 'a folder of it'],
    [`-c "${url}#v1:../in"`, 'COPY . /d', /\[GIT_SUBDIR_INVALID\]/, 'out of it'],
    [`-c ${web.url}/c`, 'COPY f /', kept, 'a tar of the web'],
    [`-c ${web.url}/t`, 'COPY context /', ['add context file 0600 0:0'], 'a file of the web'],
    [
      `--build-context n=${web.url}/c`,
      'COPY --from=n context /',
      ['add context file 0600 0:0'],
      'is not unpacked',
    ],
    ['--build-context n=../c.tar', 'COPY --from=n f /', kept, 'a named tar'],
    [`--build-context n=${url}`, 'COPY --from=n in/f /', ['add f file 0644 0:0'], 'a named repository'],
    ['--build-context n=.', 'COPY --from=n out /', /not found/, 'a named directory'],
    [
      '--build-context debian:latest=docker-image://scratch',
      'COPY --from=debian x* /',
      [],
      'an image by another name',
    ],
  ]
  for (const [args, step, want, why] of rows) {
    const run = await here.run(
      `FROM scratch\n${step}\n`,
      args.replace(/(=|-c )\.\.\//g, `$1${dir}/`).replace('cat ../', `cat ${dir}/`),
    )
    if (want instanceof RegExp) t.match(run.stderr, want, `${args}: ${why}`)
    else t.same(run.snapshots[0] ? changes(run.snapshots[0]) : [], want, `${args}: ${why} ${run.stderr}`)
  }
  const staged = 'FROM scratch AS n\nCOPY missing /\nFROM scratch\nCOPY --from=n f /\n'
  const instead = await here.run(staged, `--build-context n=${dir}/c.tar`)
  t.same(changes(instead.snapshots[0]), kept, 'a context in place of a stage')
  t.same(fs.readdirSync(path.join(here.store, 'tmp')), [], 'nothing unpacked stays')
})

t.test('sources of an ordinary user', { skip }, async t => {
  const dir = tempDir(t, 'user')
  const here = new Lab(path.join(dir, 'lab'))
  here.file('d/f', '1')
  fs.chmodSync(dir, 0o777)
  fs.chmodSync(here.dir, 0o777)
  execFileSync('tar', [
    '-cf',
    `${dir}/c.tar`,
    '--owner=5',
    '--group=6',
    '--mode=u=rx,go=',
    '-C',
    here.context,
    'd',
  ])
  const repo = repository(path.join(dir, 'srv/r.git'), { f: '1' })
  git(repo, 'tag', 'v1')
  const repos = await serveGit(t, path.join(dir, 'srv'))
  const web = await serve(t, (_, response) => response.end('hello'))
  const before = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
  const rows: readonly [args: string, step: string, want: readonly string[]][] = [
    ['', `ADD ${web.url}/f /`, ['add f file 0600 65534:65534']],
    ['', `ADD ${repos.url}/r.git/.git#v1 /`, ['add f file 0644 65534:65534']],
    [`-c ${dir}/c.tar`, 'COPY d /d', ['add d dir 0755 65534:65534', 'add d/f file 0500 65534:65534']],
  ]
  for (const [args, step, want] of rows) {
    const env = { HOME: '/nowhere' }
    const run = await here.run(`FROM scratch\n${step}\n`, `${args} --snapshots`, { before, env })
    t.same(run.snapshots[0] ? changes(run.snapshots[0]) : [], want, `${step} ${run.stderr}`)
  }
  t.same(fs.readdirSync(path.join(here.store, 'tmp')), [], 'what may not be written to is removed too')
})

t.test('a repository that asks who we are', { skip }, async t => {
  const dir = tempDir(t, 'token')
  const here = new Lab(path.join(dir, 'lab'))
  repository(path.join(dir, 'srv/r.git'), { f: '1' })
  const inner = await serveGit(t, path.join(dir, 'srv'), 'dumb')
  const seen: (string | undefined)[] = []
  const web = await serve(t, async (request, response) => {
    seen.push(request.headers.authorization)
    const isRight =
      request.headers.authorization === `Basic ${Buffer.from('x-access-token:s3cret').toString('base64')}`
    if (!isRight) return response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    const answer = await fetch(inner.url + request.url)
    return response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
  })
  const step = `FROM scratch\nADD ${web.url}/r.git/.git /d\n`
  const without = await here.run(step)
  t.match(without.stderr, /\[GIT_FAILED\]/, 'nobody is asked for a password')
  const host = new URL(web.url).host
  for (const name of [`GIT_AUTH_TOKEN.${host}`, 'GIT_AUTH_TOKEN']) {
    const run = await here.run(step, `--no-cache --secret id=${name},env=TOKEN`, { env: { TOKEN: 's3cret' } })
    t.equal(content(run.snapshots[0], 'd/f'), '1', run.stderr)
  }
  const elsewhere = await here.run(step, '--no-cache --secret id=GIT_AUTH_TOKEN.other,env=TOKEN', {
    env: { TOKEN: 's3cret' },
  })
  t.match(elsewhere.stderr, /\[GIT_FAILED\]/, 'the token of another host')
  const found = execFileSync('sh', [
    '-c',
    'grep -rlaF -e s3cret -e x-access-token "$1" || :',
    'sh',
    here.store,
  ])
  t.equal(found.toString(), '', 'it is in no file of the store')
})
