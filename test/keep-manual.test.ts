// What the manuals of the programs that keep the store promise: beside servers and readers, on a full and on a
// read-only disk, for a user who may not read all of it, on a terminal, and in the examples.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { commit, need, repository, type Scope, serve, serveGit, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'
import { holders, inStore, NAME, unname, withImages } from './store-lab.js'

/** A lab with images `app:0` and so on in its store. */
async function filled(t: Scope, count: number): Promise<Lab> {
  const place = await withImages(t, count)
  for (let at = 0; at < count; at++) await place.good(`img-import < ${at}.tar`)
  return place
}

async function startServer(
  t: Scope,
  place: Lab,
  what: string,
): Promise<{ address: string; end(): Promise<void> }> {
  const file = place.path('listening')
  const server = place.start(`registry-serve --listen 127.0.0.1:0 --until-eof ${what} > ${file}`, {
    input: 'open',
  })
  const end = async (): Promise<void> => {
    server.child.stdin?.end()
    await server.done
  }
  t.teardown(end)
  await waitUntil(
    'the registry listens',
    () => fs.existsSync(file) && /\n/.test(fs.readFileSync(file, 'utf8')),
  )
  return { address: JSON.parse(fs.readFileSync(file, 'utf8').split('\n')[0] ?? '').address, end }
}

t.test('a registry on the store holds the lease as long as it runs', async t => {
  const place = await filled(t, 1)
  const server = await startServer(t, place, 'store:')
  unname(place, `${NAME}:0`)
  const busy = await place.run('img-gc --min-age 0 --wait 0')
  t.equal(busy.status, 75)
  t.match(busy.stderr, /is used by registry-serve \(pid \d+\)/)
  await server.end()
  t.equal((await place.good('img-gc --min-age 0 --wait 0')).records().length, 5)
})

t.test('a name that is removed while its image is read', async t => {
  const place = await filled(t, 1)
  spawnSync('mkfifo', [place.path('gate')])
  // The archive is larger than a pipe holds, so that img-export has not read all blobs yet.
  const slow = 'img-pull store:app:0 | tee seen | img-export | { read -r _ < gate; cat > out.tar; }'
  const reading = place.start(slow)
  const seen = (): string =>
    fs.existsSync(place.path('seen')) ? fs.readFileSync(place.path('seen'), 'utf8') : ''
  await waitUntil('the image is resolved', () => seen().includes('"type":"end"'))
  await waitUntil('img-pull has ended', () => holders(place) === 1)
  await place.good('img-rm app:0')
  const busy = await place.run('img-gc --min-age 0 --wait 0')
  t.equal(busy.status, 75, 'nothing in use is removed')
  t.match(busy.stderr, /is used by img-export \(pid \d+\)/)
  fs.writeFileSync(place.path('gate'), '\n')
  t.same((await reading.done).statuses, [0, 0, 0, 0], 'the reader ends well')
  await place.good('img-gc --min-age 0')
  t.same(fs.readdirSync(path.join(place.store, 'blobs/sha256')), [], 'then it goes')
  await place.good('img-import < out.tar && img-verify')
  t.same(place.tags(), [`${NAME}:0`], 'and what was read is whole')
})

t.test('a name that is removed while its image is pulled', async t => {
  const place = await filled(t, 1)
  await place.good('img-pull store:app:0 > image')
  await place.good('img-rm app:0')
  const lines = fs.readFileSync(place.path('image'), 'utf8').split('\n')
  place.write({ head: `${lines.slice(0, 2).join('\n')}\n`, tail: lines.slice(2).join('\n') })
  spawnSync('mkfifo', [place.path('gate')])
  const putting = place.start('{ cat head; read -r _ < gate; cat tail; } | blob-put store:again:1')
  await waitUntil('blob-put has the store', () => holders(place) > 0)
  t.equal((await place.run('img-gc --min-age 0 --wait 0')).status, 75, 'its blobs have no name meanwhile')
  fs.writeFileSync(place.path('gate'), '\n')
  t.same((await putting.done).statuses, [0, 0])
  t.same(place.tags(), ['docker.io/library/again:1'])
  await place.good('img-verify')
})

/** Moves the store of a lab onto a file system of its own. */
function onDisk(place: Lab, options: string): void {
  fs.renameSync(place.store, place.path('moved'))
  fs.mkdirSync(place.store)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', place.store])
  if (status !== 0) throw new Error(stderr.toString())
  spawnSync('cp', ['-a', `${place.path('moved')}/.`, place.store])
}

/** Takes all space that is left. */
function fill(place: Lab): void {
  spawnSync('dd', ['if=/dev/zero', `of=${place.path('store/filler')}`, 'bs=4096'])
}

t.test('a full disk', { skip: need('root', 'mount') }, async t => {
  const place = await filled(t, 2)
  inStore(place, store => store.putBytes(Buffer.alloc(50_000, 1)))
  const [damaged = ''] = fs
    .readdirSync(path.join(place.store, 'blobs/sha256'))
    .filter(name => fs.statSync(path.join(place.store, 'blobs/sha256', name)).size === 64 * 1024)
  onDisk(place, 'size=4m')
  fs.writeFileSync(path.join(place.store, 'blobs/sha256', damaged), Buffer.alloc(64 * 1024, 1))
  fill(place)
  const before = fs.readFileSync(path.join(place.store, 'index.json'))
  for (const command of ['img-tag app:0 new:1', 'img-rm app:0']) {
    const { status, stderr } = await place.run(command)
    t.equal(status, 75, command)
    t.match(stderr, /update the index of ".*store": .*no space.*\[ENOSPC\]/i, `${command}: the message`)
    t.same(
      fs.readFileSync(path.join(place.store, 'index.json')),
      before,
      `${command}: names are as they were`,
    )
    t.notOk(fs.existsSync(path.join(place.store, 'blobs/.partial')), `${command}: nothing is left`)
  }
  const listed = await place.good('img-ls')
  t.equal(listed.records().length, 3, 'a list needs no space')
  for (const command of ['img-du', 'img-gc --dry-run --min-age 0']) await place.good(command)
  const repaired = await place.run('img-verify --repair')
  t.equal(repaired.status, 1)
  t.match(
    repaired.records()[0],
    { code: 'DIGEST_MISMATCH', item: { setAside: true } },
    'nor does setting aside',
  )
  t.same(fs.readdirSync(path.join(place.store, 'damaged')), [`sha256-${damaged}`])
  const freed = await place.good('img-gc --min-age 0')
  t.same(
    freed.records().flatMap(({ kind }) => kind ?? []),
    ['damaged', 'blob'],
    'nor does img-gc, which makes some',
  )
  await place.good('img-rm app:1')
})

t.test('a disk without a free inode', { skip: need('root', 'mount') }, async t => {
  const place = await filled(t, 1)
  inStore(place, store => store.putBytes(Buffer.from('loose')))
  fs.mkdirSync(path.join(place.store, 'steps/root/one/upper/deep'), { recursive: true })
  const names = spawnSync('find', [place.store]).stdout.toString().split('\n').length
  onDisk(place, `nr_inodes=${names + 1}`)
  spawnSync('bash', ['-c', 'while : 2> /dev/null > "$0/filler$((at++))"; do :; done', place.store])
  const tagged = await place.run('img-tag app:0 new:1')
  t.equal(tagged.status, 75)
  t.match(tagged.stderr, /\[ENOSPC\]/)
  const kinds = (await place.good('img-gc --min-age 0')).records().flatMap(({ kind }) => kind ?? [])
  t.same(kinds.sort(), ['blob', 'step'], 'what can be moved nowhere is removed where it is')
  t.same(fs.readdirSync(path.join(place.store, 'steps/root')), [])
  await place.good('img-verify')
})

t.test('a read-only disk', { skip: need('root', 'mount') }, async t => {
  const place = await filled(t, 1)
  const blobs = path.join(place.store, 'blobs/sha256')
  for (const name of fs.readdirSync(blobs))
    if (fs.statSync(path.join(blobs, name)).size === 64 * 1024)
      fs.writeFileSync(path.join(blobs, name), Buffer.alloc(64 * 1024, 1))
  spawnSync('mount', ['--bind', place.store, place.store])
  spawnSync('mount', ['-o', 'remount,bind,ro', place.store])
  const rows = [
    ['img-tag app:0 new:1', 75, /cannot lock ".*oci-layout": the file system is read-only \[EROFS\]/],
    ['img-rm app:0', 75, /cannot lock ".*oci-layout": the file system is read-only \[EROFS\]/],
    ['img-gc --min-age 0', 75, /read-only \[EROFS\]/],
    ['img-verify --repair', 75, /set the damaged blob sha256:.* aside.*read-only \[EROFS\]/],
    ['img-tag app:0 app:0', 0, /^$/],
    ['img-rm --dry-run app:0', 0, /^$/],
    ['img-ls', 0, /^$/],
  ] as const
  for (const [command, status, message] of rows) {
    const result = await place.run(command)
    t.equal(result.status, status, command)
    t.match(result.stderr, message, command)
  }
  t.same(place.tags(), [`${NAME}:0`])
})

t.test('a user who may not read all of the store', { skip: need('root', 'setpriv') }, async t => {
  const place = await filled(t, 1)
  fs.chmodSync(place.dir, 0o755)
  place.write({ 'store/steps/root/one/upper/file': 'x'.repeat(100_000) })
  fs.chmodSync(path.join(place.store, 'steps/root'), 0o700)
  const user = 'setpriv --reuid 1234 --regid 1234 --clear-groups'
  const total = async (who: string): Promise<number> =>
    Number((await place.good(`${who} img-du`)).records().find(({ kind }) => kind === 'total')?.size)
  const [all, seen] = [await total(''), await total(user)]
  t.ok(all - seen >= 100_000, `what it may not read is not counted: ${all - seen}`)
  const refused = await place.run(`${user} img-gc --min-age 0`)
  t.equal(refused.status, 1)
  t.match(refused.stderr, /lease": permission denied \[EACCES\]/)
  await place.good(`${user} img-gc --min-age 0 --dry-run`)
  await place.good(`${user} img-verify --deep`)
})

t.test('on a terminal', { skip: need('script') }, async t => {
  const place = await filled(t, 2)
  const shown = async (command: string): Promise<string> =>
    (await place.good(`script -qec '${command}' /dev/null`)).stdout
      .replaceAll('\r', '')
      // The end of stdin is typed as a key, which the terminal shows.
      .replaceAll('^D\b\b', '')
  t.equal(await shown('img-tag app:0 new:1'), '', 'as with docker tag')
  t.match(await shown('img-ls app:0'), /^NAME +DIGEST .*\napp:0 +[0-9a-f]{12} .*\n$/)
  t.match(await shown('img-verify app:0'), /^IMAGE .*\napp:0 .* ok\n1 image, 0 with faults\n$/)
  t.match(await shown('img-du'), /^KIND (.*\n)*IMAGE .*\n(.*\n)*app:1 /)
  t.match(await shown('img-rm new:1'), /^Untagged: new:1\n$/)
  t.match(await shown('img-rm app:0'), /^Untagged: app:0\nUnreferenced: sha256:.* \(3 blobs, .*\)\n$/)
  t.match(
    await shown('img-gc --dry-run --min-age 0'),
    /^KIND +NAME .*\nblob +sha256:.*\n(blob.*\n)*Would free .*\n$/,
  )
  t.match(await shown('img-gc --min-age 0'), /^KIND +REMOVED +SIZE\nblob +3 .*\nFreed .*\n$/)
})

t.test('the examples', { skip: need('jq') }, async t => {
  const place = await filled(t, 3)
  const text = async (command: string): Promise<string> => (await place.good(command)).stdout.trim()
  t.match(await text(`img-inspect app:0 | jq -r '.Layers[]?.chainID'`), /^sha256:\w+\nsha256:\w+$/)
  t.equal(await text(`img-history app:0 | jq -r 'select(.size > 1e8).createdBy'`), '')
  t.equal(
    await text(`img-ls | jq -r 'select(.contentSize > 9e4).name' | sort`),
    `${NAME}:0\n${NAME}:1\n${NAME}:2`,
  )
  const own = await text(`img-rm --dry-run app:0 | jq -s '[.[].unreferenced[]?.size] | add'`)
  t.ok(Number(own) > 33_000, `${own} bytes`)
  await place.good(`img-ls | jq -c 'select(.created < "2024")' | img-rm -`)
  t.same(place.tags(), [], 'an image without a time is old')
  await place.good('img-import < 0.tar && img-import < 1.tar && img-import < 2.tar')
  t.match(
    await text(`img-du | jq -r 'select(.kind == "image") | "\\(.own)\\t\\(.reference)"' | sort -n | tail`),
    /app:2/,
  )
  await place.good(`printf 'app:0\\nstore:${NAME}:1\\n' | img-rm -`)
  t.same(place.tags(), [`${NAME}:2`], 'lines with a name each')
  t.ok(Number(await text(`img-gc --dry-run --min-age 0 | jq -s 'map(.size // 0) | add'`)) > 0)
  await place.good('img-gc --min-age 168h --keep-bytes 20GB')
})

t.test('what is damaged is set aside and pulled again', { skip: need('jq') }, async t => {
  const place = await withImages(t, 2)
  const { address } = await startServer(t, place, 'oci:source')
  for (const at of [0, 1]) await place.good(`img-pull ${address}/app:${at}`)
  const blobs = path.join(place.store, 'blobs/sha256')
  for (const name of fs.readdirSync(blobs)) fs.truncateSync(path.join(blobs, name), 10)
  const heal = `img-verify --repair | jq -r 'select(.type == "failed").image' | sort -u | img-pull -`
  const healed = await place.run(heal)
  t.same(healed.statuses, [1, 0, 0, 0], healed.stderr)
  await place.good('img-verify --deep')
  t.same(place.tags(), [`${address}/app:0`, `${address}/app:1`])
})

const MARKED = ['caches/root', 'contexts', 'git', 'http'] as const

t.test(
  'a build marks what it uses of its caches',
  { skip: need('root', 'busybox', 'git', 'runc') },
  async t => {
    const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
    const repo = repository(place.path('srv/r.git'), { f: '1' })
    commit(repo, { g: '2' })
    const git = await serveGit(t, place.path('srv'))
    const web = await serve(t, ({ url }, response) =>
      response.end(url === '/sh' ? fs.readFileSync('/bin/busybox') : 'hello'),
    )
    place.write({
      Dockerfile: `FROM scratch
ADD --chmod=755 ${web.url}/sh /bin/sh
COPY add-archives.Dockerfile /
ADD ${git.url}/r.git/.git /repository
RUN --mount=type=cache,target=/cache echo >> /cache/log
`,
    })
    // The digests of files that were changed a moment ago are not remembered, and those of this repository were not.
    const build = `kf-parse Dockerfile | kf-run --no-cache --context '${path.resolve('buildkit/cases')}' > records`
    await place.good(build)
    const held = (): (readonly string[])[] =>
      MARKED.map(area => fs.readdirSync(path.join(place.store, area)).sort())
    const first = held()
    for (const [at, area] of MARKED.entries()) t.not(first[at]?.length, 0, `${area} holds something`)
    const age = (): void =>
      void spawnSync('find', [place.store, '-exec', 'touch', '-h', '-d', '-48 hours', '{}', '+'])
    age()
    await place.good(build)
    await place.good('img-gc')
    t.same(held(), first, 'what the second build used stays')
    t.equal(fs.readFileSync(cachedFile(place), 'utf8'), '\n\n', 'with its content')
    age()
    await place.good('img-gc')
    t.same(
      held(),
      MARKED.map(() => []),
      'what no build used for a day goes',
    )
  },
)

/** The file that the RUN step wrote into its cache. */
function cachedFile(place: Lab): string {
  const caches = path.join(place.store, 'caches/root')
  return path.join(caches, fs.readdirSync(caches)[0] ?? '', 'log')
}
