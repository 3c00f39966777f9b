// Images from store to store without a registry: only what the other store lacks is sent, through pipes like those of
// ssh.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { mountsBelow, need, runPipe, type Scope, waitUntil } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

const BASE_BYTES = 8 * 1024 * 1024
/** Stands for `ssh HOST COMMAND`: another store takes the place of another machine. */
const THERE = 'PIPELAYER_STORE=there sh -c'
const NAME = 'docker.io/library/app'

/** Two images in a store; the second has the big layer of the first, and one small layer more. */
async function withImages(t: Scope): Promise<Lab> {
  const place = lab(t)
  place.write({ 'base/': '', 'more/file': 'more\n' })
  fs.writeFileSync(place.path('base/big'), randomBytes(BASE_BYTES))
  await place.good('layer-pack --dir base > base.ndjson')
  await place.good('manifest-gen -t app:1 < base.ndjson | blob-put store:app:1 > one.ndjson')
  await place.good(
    '(head -n -1 base.ndjson; layer-pack --dir more) | manifest-gen -t app:2 | blob-put store:app:2 > two.ndjson',
  )
  return place
}

const bytes = (place: Lab, file: string): number => fs.statSync(place.path(file)).size

async function holds(t: Scope & Pick<Test, 'equal'>, place: Lab): Promise<void> {
  const digest = async (store: string): Promise<unknown> => {
    const { stdout } = await place.good(
      `img-pull --store ${store} --no-tag store:app:2 | jq -r 'select(.root).digest'`,
    )
    return stdout
  }
  t.equal(await digest('there'), await digest('store'), 'the same image')
}

t.test('what is missing is asked for, and moved alone', { skip: need('jq') }, async t => {
  const place = await withImages(t)
  const send = (image: string, file: string): string =>
    `img-pull ${image} | ${THERE} blob-want | img-export | tee ${file} | ${THERE} img-import`
  const first = await place.good(send('store:app:1', 'first.tar'))
  t.match(first.records(), [{ type: 'reference', reference: `store:${NAME}:1` }, { type: 'end' }])
  t.ok(bytes(place, 'first.tar') > BASE_BYTES)
  await place.good(send('store:app:2', 'second.tar'))
  t.ok(bytes(place, 'second.tar') < 10_000, `the second time ${bytes(place, 'second.tar')} bytes`)
  await place.good(send('store:app:1 store:app:2', 'third.tar'))
  t.ok(bytes(place, 'third.tar') < 10_000, 'nothing but manifests once all is there')
  t.same(place.tags(place.path('there')), [`${NAME}:1`, `${NAME}:2`])
  await holds(t, place)
})

t.test('what is there is said, and the rest is fetched', { skip: need('jq') }, async t => {
  const place = await withImages(t)
  const here = (image: string, file: string): string =>
    `blob-have --store there | sh -c 'img-pull - ${image} | img-export' | tee ${file} | img-import --store there`
  await place.good(here('store:app:1', 'first.tar'))
  const second = await place.good(
    `${here('store:app:2', 'second.tar')} | img-pull --store there - | untar tree`,
  )
  t.ok(bytes(place, 'second.tar') < 10_000)
  t.match(second.records().at(-1), { type: 'end' })
  t.equal(fs.readFileSync(place.path('tree/file'), 'utf8'), 'more\n')
})

t.test('by files that are carried', { skip: need('jq') }, async t => {
  const place = await withImages(t)
  await place.good('img-pull store:app:1 | img-export > all.tar && img-import --store there all.tar')
  await place.good('img-pull store:app:2 > list.ndjson')
  await place.good('blob-want --store there < list.ndjson > wanted.ndjson')
  await place.good('img-export < wanted.ndjson > missing.tar')
  t.ok(bytes(place, 'missing.tar') < 10_000)
  await place.good('img-import --store there missing.tar')
  await holds(t, place)
})

t.test('a broken line: what came counts', { skip: need('jq') }, async t => {
  const place = await withImages(t)
  const broken = await place.run(
    `img-pull store:app:2 | ${THERE} blob-want | img-export | head -c ${BASE_BYTES / 2} | ${THERE} img-import`,
  )
  t.same(broken.statuses.slice(-1), [1])
  t.match(broken.records().at(-1), { type: 'error', code: 'TAR_TRUNCATED' })
  t.same(place.tags(place.path('there')), [], 'nothing is named')
  await place.good(
    `img-pull store:app:2 | ${THERE} blob-want | img-export | tee rest.tar | ${THERE} img-import`,
  )
  const all = BASE_BYTES / 2 + bytes(place, 'rest.tar')
  t.ok(all < BASE_BYTES * 1.05, `${all} bytes in total for a layer of ${BASE_BYTES}`)
  await holds(t, place)
})

t.test('an import that is killed', { skip: need('jq') }, async t => {
  const place = await withImages(t)
  await place.good('img-pull store:app:2 | img-export > all.tar')
  const running = place.start(`(head -c ${BASE_BYTES / 2} all.tar; sleep 60) | img-import --store there`)
  const partial = place.path('there/partial')
  const came = (): number =>
    (fs.existsSync(partial) ? fs.readdirSync(partial) : []).map(name =>
      bytes(place, `there/partial/${name}`),
    )[0] ?? 0
  await waitUntil('a quarter came', () => came() > BASE_BYTES / 4)
  process.kill(-running.pid, 'SIGKILL')
  await running.done
  t.same(place.tags(place.path('there')), [])
  const asked = await place.good('blob-want --store there < two.ndjson')
  const wanted = asked.records().find(({ offset }) => offset !== undefined)
  t.ok(Number(wanted?.offset) > BASE_BYTES / 4, 'the rest is wanted')
  await place.good('img-import --store there all.tar')
  await holds(t, place)
})

t.test('other programs read and write such archives', { skip: need('skopeo', 'jq') }, async t => {
  const place = await withImages(t)
  await place.good('img-pull store:app:2 | img-export > ours.tar')
  await place.good('skopeo copy --quiet oci-archive:ours.tar oci-archive:theirs.tar:app:2')
  await place.good('img-import --store there -t app:2 theirs.tar')
  await holds(t, place)
})

t.test('two imports at once, and a blob that was collected meanwhile', { skip: need('jq') }, async t => {
  const place = await withImages(t)
  await place.good('img-pull store:app:2 | img-export > all.tar')
  await place.good('img-import --store there all.tar & img-import --store there all.tar && wait $!')
  await holds(t, place)

  await place.good(`img-pull store:app:2 | ${THERE} blob-want | img-export > nothing.tar`)
  const [base] = fs.readFileSync(place.path('base.ndjson'), 'utf8').split('\n')
  const { digest } = JSON.parse(base ?? '')
  fs.rmSync(place.path('there/blobs/sha256', digest.slice(7)))
  const late = await place.run('img-import --store there -t late nothing.tar')
  t.match([late.status, late.records().at(-1)], [1, { type: 'error', code: 'BLOB_MISSING' }])
  t.notOk(place.tags(place.path('there')).some(name => name.includes('late')))
})

t.test('a full disk', { skip: need('root', 'jq') }, async t => {
  const place = await withImages(t)
  fs.mkdirSync(place.path('there'))
  await runPipe(`mount -t tmpfs -o size=${BASE_BYTES / 2} tmpfs there`, { cwd: place.dir })
  t.teardown(async () => void (await runPipe('umount there', { cwd: place.dir })))
  t.equal(mountsBelow(place.dir).length, 1)
  await place.good('img-pull store:app:2 | img-export > all.tar')
  const full = await place.run('img-import --store there all.tar')
  t.match([full.status, full.records().at(-1)], [75, { type: 'error', code: 'ENOSPC' }])
  t.same(place.tags(place.path('there')), [])
  await runPipe(`mount -o remount,size=${BASE_BYTES * 4} there`, { cwd: place.dir })
  await place.good(
    `img-pull store:app:2 | ${THERE} blob-want | img-export | tee rest.tar | ${THERE} img-import`,
  )
  t.ok(bytes(place, 'rest.tar') < BASE_BYTES * 0.8, 'what was written counts')
  await holds(t, place)
})
