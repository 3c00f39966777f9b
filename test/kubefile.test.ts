// Kubefiles through the whole pipe: the images that they name are put into the registry of the root filesystem.
import fs from 'node:fs'
import { need, type RegistryServer, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

const skip = need('root', 'runc', 'skopeo', 'docker-registry', 'htpasswd', 'jq')
const BUILD = 'kf-parse Kubefile | kf-run --context .'
const PACK = 'ovl-diff | layer-pack | manifest-gen'
const USER = { name: 'me', password: 'let-me-in' }

/** Pushes images of one layer each; `app:2` also has the layer of `app:1`. */
async function fill(place: Lab, { host }: RegistryServer, auth = ''): Promise<void> {
  place.write({ 'one/f': 'one', 'two/g': 'two' })
  await place.good('layer-pack --dir one > one.ndjson')
  const env = auth === '' ? {} : { REGISTRY_AUTH_FILE: auth }
  const push = (records: string, name: string): Promise<unknown> =>
    place.good(`${records} | manifest-gen | blob-put docker://${host}/${name}`, { env })
  await push('cat one.ndjson', 'team/app:1')
  await push('(head -n -1 one.ndjson; layer-pack --dir two)', 'team/app:2')
  await push('layer-pack --dir two', 'web:1')
}

function credentials(place: Lab, host: string): string {
  const auth = Buffer.from(`${USER.name}:${USER.password}`).toString('base64')
  place.write({ 'auth.json': JSON.stringify({ auths: { [host]: { auth } } }) })
  return place.path('auth.json')
}

t.test('images come into the registry, and from the base they are there', { skip }, async t => {
  const place = lab(t)
  const registry = await startRegistry(t)
  await fill(place, registry)
  const { host } = registry
  place.write({
    'manifests/imageList': `${host}/web:1\n`,
    'manifests/x.yaml': `spec:\n  containers:\n  - image: ${host}/team/app:1\n`,
    'more/manifests/y.yaml': `containers:\n- image: ${host}/team/app:2\n`,
    Kubefile: 'FROM scratch\nCOPY manifests .\nCMD kubectl apply\n',
  })
  await place.good(`${BUILD} | ${PACK} -t base:1 | tee base.ndjson | blob-put store:base:1`)
  // Images that the base has are not fetched again: the registry they came from has lost this layer.
  const layer =
    /"digest":"sha256:([0-9a-f]{64})"/.exec(fs.readFileSync(place.path('one.ndjson'), 'utf8'))?.[1] ?? ''
  const lost = `${registry.storage}/docker/registry/v2/blobs/sha256/${layer.slice(0, 2)}/${layer}`
  t.ok(fs.existsSync(lost))
  fs.rmSync(lost, { recursive: true })
  place.write({ Kubefile: 'FROM base:1\nCOPY more/manifests .\nCMD second\n' })
  await place.good(`${BUILD} | ${PACK} -t all:1 | blob-put store:all:1`)
  const { stdout } = await place.good(
    `img-pull store:all:1 | untar rootfs | jq -r 'select(.type == "config").config.history[].created_by'`,
  )
  t.same(
    stdout.trim().split('\n'),
    [
      'COPY manifests',
      'CMD kubectl apply',
      'BASE rootfs cache',
      'COPY more/manifests',
      'CMD second',
      'BASE rootfs cache',
    ].map(line => (line.startsWith('COPY') ? `${line} .` : line)),
  )
  const inside = await startRegistry(t, { storage: place.path('rootfs/registry') })
  for (const name of ['team/app:1', 'team/app:2', 'web:1'])
    await place.good(
      `skopeo copy --src-tls-verify=false docker://${inside.host}/${name} dir:out-${name.replace(/\W/g, '-')}`,
    )
})

t.test('credentials of the image list, and all that fails is named', { skip }, async t => {
  const place = lab(t)
  const registry = await startRegistry(t, { user: USER })
  const { host } = registry
  await fill(place, registry, credentials(place, host))
  const list = (names: readonly string[]): string =>
    [
      `- registry: ${host}`,
      `  username: ${USER.name}`,
      `  password: ${USER.password}`,
      '  images:',
      ...names.map(name => `  - ${host}/${name}`),
    ].join('\n')
  place.write({
    'context/imageListWithAuth.yaml': list(['team/app:1', 'web:1']),
    'context/f': 'f',
    Kubefile: 'FROM scratch\nCOPY . .\n',
  })
  const build = 'kf-parse Kubefile | kf-run --context context'
  await place.good(`${build} | ${PACK} -t app:1 | tee all.ndjson | untar rootfs > untar.ndjson`)
  t.same(
    fs.readdirSync(place.path('rootfs')).sort(),
    ['Kubefile', 'f', 'registry'].filter(name => name !== 'Kubefile'),
  )
  const seen = await place.run(`grep -r -l ${USER.password} all.ndjson untar.ndjson rootfs store`)
  t.equal(seen.stdout, '', 'the password is nowhere')
  place.write({ Kubefile: 'FROM scratch\nLABEL newer=1\nCOPY . .\n' })
  await place.good(`${build} | ${PACK} -t new:1 | tee new.ndjson | untar newer > untar.ndjson`)
  t.same(fs.readdirSync(place.path('newer')).sort(), ['f', 'registry'], 'the newer dialect')
  const later = await place.run(`grep -r -l ${USER.password} new.ndjson untar.ndjson newer store`)
  t.equal(later.stdout, '', 'nor does it tell the password')
  place.write({ Kubefile: 'FROM scratch\nCOPY . .\n' })
  place.write({ 'context/imageListWithAuth.yaml': list(['team/app:1', 'gone:1', 'away:2']) })
  const failed = await place.run(`${build} | ${PACK} -t app:2 | blob-put store:app:2`)
  t.notSame(failed.statuses, [0, 0, 0, 0, 0])
  t.match(failed.stderr, /images could not be brought into the registry: .*gone:1.*away:2.*IMAGES_FAILED/)
  t.same(place.tags(), [], 'nothing is saved half')
})

t.test('two images of one name collide', { skip }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1' })
  const [one, two] = [await startRegistry(t), await startRegistry(t)]
  for (const registry of [one, two]) await fill(place, registry)
  await place.good(`img-pull --no-tag ${two.host}/web:1 | blob-put docker://${two.host}/team/app:1`)
  place.write({
    'manifests/imageList': `${one.host}/team/app:1\n${two.host}/team/app:1\n${one.host}/web:1\n${two.host}/web:1\n`,
    Kubefile: 'FROM scratch\nCOPY manifests .\n',
  })
  const failed = await place.run(`${BUILD} > records`)
  t.match(failed.stderr, /IMAGES_FAILED/)
  t.match(failed.stderr, /team\/app:1: its name without the domain is that of another image/)
  t.notMatch(failed.stderr, /web:1: its name/, 'the same image under two names is one')
})
