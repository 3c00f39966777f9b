// Images in podman's storage, read as files: what podman and buildah put there comes out as they would give it.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { buildah, compareTrees, debianTree, need, podman } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

type Fields = Record<string, unknown>

function kind(records: readonly Fields[], type: string): readonly Fields[] {
  return records.filter(record => record.type === type)
}

/** The digests of layers and config, which stay whatever the manifest is. */
async function partsOf(place: Lab, text: string): Promise<readonly unknown[]> {
  const records = (await place.good(`img-pull --no-tag ${text}`)).records()
  return [...kind(records, 'layer').map(({ diffID }) => diffID), kind(records, 'config')[0]?.digest]
}

function sha256(file: string): string {
  return `sha256:${createHash('sha256').update(fs.readFileSync(file)).digest('hex')}`
}

/** Puts an image of two layers, one of them with whatever a tar can hold, into the store as `app:1`. */
async function makeImage(place: Lab): Promise<void> {
  place.write({
    'make.sh': `mkdir -p tree/etc tree/usr/lib more/etc && cd tree && ln -s usr/lib lib
      echo hello > etc/word && ln etc/word etc/same && touch empty "odd <name>" "$(printf 'caf\\351')"
      truncate -s 5000 zeros && chown 1000:5 zeros && mknod null c 1 3 && seq 100000 > usr/lib/numbers`,
    'more/etc/.wh.word': '',
    'more/etc/new': 'new\n',
  })
  await place.good('sh -e make.sh')
  await place.good('tar -C more -cf more.tar etc')
  await place.good('layer-pack --dir tree > tree.ndjson')
  await place.good(
    `(head -n -1 tree.ndjson; layer-pack --tar more.tar) | manifest-gen --platform linux/amd64 --cmd /x -t app:1 | blob-put store:`,
  )
}

t.test('podman and buildah', { skip: need('root', 'podman', 'buildah', 'skopeo') }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  await makeImage(place)
  const engine = podman(place.path('podman'))
  const storage = `containers-storage:[overlay@${place.path('podman/storage')}+${place.path('podman/run')}]`
  const parts = await partsOf(place, 'store:app:1')
  await place.good('img-pull store:app:1 | blob-put docker-archive:app.tar')

  t.test('an image that podman loaded', async t => {
    await place.good(`${engine} load -q -i app.tar`)
    t.same(await partsOf(place, `'${storage}app:1'`), parts, 'diffIDs and the image ID stay')
    const records = (await place.good(`img-pull --store other '${storage}app:1'`)).records()
    t.match(
      records.find(({ root }) => root),
      { reference: 'docker.io/library/app:1' },
    )
    const layers = kind(records, 'layer')
    t.same(
      layers.map(({ digest }) => digest),
      parts.slice(0, -1),
      'layers are plain tars',
    )
    for (const { path, digest } of layers) t.equal(sha256(String(path)), digest)
    await place.good(`${engine} save -q --format oci-archive -o saved.tar app:1`)
    t.same(await partsOf(place, 'oci-archive:saved.tar'), parts, 'as what podman saves')
    await place.good(`skopeo copy -q '${storage}docker.io/library/app:1' oci:skopeo:1`)
    t.same(await partsOf(place, 'oci:skopeo:1'), parts, 'as what skopeo copies')
    await place.good(`img-pull --no-tag '${storage}app:1' | untar ours`)
    await place.good('img-pull --no-tag store:app:1 | untar theirs')
    t.same(compareTrees(place.path('ours'), place.path('theirs')), [])
  })

  t.test('an image that buildah built keeps its manifest', async t => {
    const builder = buildah(place.path('podman'))
    await place.good(
      `sh -ec 'c=$(${builder} from scratch); ${builder} copy -q $c tree/etc /etc; ${builder} commit -q --format oci $c own:1; ${builder} rm $c'`,
    )
    const { stdout } = await place.good(`${engine} image inspect --format '{{.Digest}}' localhost/own:1`)
    const records = (await place.good(`img-pull '${storage}own:1'`)).records()
    t.match(
      records.find(({ root }) => root),
      { digest: stdout.trim(), reference: 'localhost/own:1' },
    )
    const all = (await place.good(`img-pull --no-store '${storage}'`)).records()
    t.same(
      all
        .filter(({ root }) => root)
        .map(({ reference }) => reference)
        .sort(),
      ['docker.io/library/app:1', 'localhost/own:1'],
      'all images of the storage',
    )
  })

  t.test('what is missing, and what is refused', async t => {
    t.match(await place.run(`img-pull '${storage}none:1'`), {
      status: 1,
      stderr: /there is no image "none:1" in containers-storage:\S+: there is .*app:1.* \[MANIFEST_UNKNOWN\]/,
    })
    t.match(await place.run(`img-pull store:app:1 | blob-put '${storage}app:2'`), {
      status: 2,
      stderr: /use docker-archive:FILE and "podman load --input FILE".* \[PLACE_INVALID\]/,
    })
    const [layer] = fs
      .readdirSync(place.path('podman/storage/overlay'))
      .filter(name => /^[0-9a-f]{64}$/.test(name))
    t.ok(layer, 'layers are folders')
  })

  t.test('the driver vfs', async t => {
    const flags = `--root ${place.path('vfs')} --runroot ${place.path('vfs-run')} --storage-driver vfs`
    await place.good(`podman ${flags} load -q -i app.tar`)
    for (const driver of ['', 'vfs@'])
      t.same(await partsOf(place, `'containers-storage:[${driver}${place.path('vfs')}]app:1'`), parts)
  })
})

t.test(
  'a whole Debian comes out of the storage bit for bit',
  { skip: process.env.PIPELAYER_TEST_ALL === undefined || need('root', 'podman', 'debootstrap') },
  async t => {
    const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
    const tree = await debianTree()
    await place.good(
      `layer-pack --dir ${tree} | manifest-gen -t debian:1 | blob-put docker-archive:debian.tar`,
    )
    const parts = await partsOf(place, 'docker-archive:debian.tar')
    await place.good(`${podman(place.path('podman'))} load -q -i debian.tar`)
    const storage = `containers-storage:[${place.path('podman/storage')}]`
    t.same(await partsOf(place, `'${storage}debian:1'`), parts)
  },
)
