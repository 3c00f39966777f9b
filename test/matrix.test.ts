// Every place as a source times every place as a destination, on four images; what was written is read by other programs.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { debianTree, need, startRegistry } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

const tooLong = process.env.PIPELAYER_TEST_ALL === '1' ? false : 'takes minutes: scripts/test --all runs it'

const ALL = process.env.PIPELAYER_TEST_ALL === '1'
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** An image of the matrix: the same name in every place. */
type ImageName = 'layers' | 'platforms' | 'zstd' | 'signed'
const IMAGES: readonly ImageName[] = ALL ? ['layers', 'platforms', 'zstd', 'signed'] : ['platforms', 'signed']

/** A kind of place. */
interface Kind {
  readonly name: string
  /** The place of an image. `copy` makes places of the same kind and image different. */
  at(image: string, copy: string): string
  /** What the place cannot hold, and the code that says so. */
  readonly refuses: Partial<Record<ImageName, string>>
  /** The digest of the image under this place, as another program tells it. */
  digest?(image: string, copy: string): Promise<string>
}

const sha256 = (bytes: string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function kindsIn(t: Test, place: Lab): Promise<readonly Kind[]> {
  const { host, storage } = await startRegistry(t)
  const raw = async (source: string, options = ''): Promise<string> =>
    sha256((await place.good(`skopeo inspect --raw ${options} ${source}`)).stdout)
  const full = (image: string, copy: string): string => `docker.io/matrix/${image}:${copy}`
  return [
    {
      name: 'store',
      at: (image, copy) => `store:matrix/${image}:${copy}`,
      refuses: {},
      digest: (image, copy) => raw(`oci:target:${full(image, copy)}`),
    },
    {
      name: 'oci',
      at: (image, copy) => `oci:layout:${image}-${copy}`,
      refuses: {},
      digest: (image, copy) => raw(`oci:layout:${image}-${copy}`),
    },
    {
      name: 'oci-archive',
      at: (image, copy) => `oci-archive:${image}-${copy}.oci:it`,
      refuses: {},
      digest: (image, copy) => raw(`oci-archive:${image}-${copy}.oci:it`),
    },
    {
      name: 'docker-archive',
      at: (image, copy) => `docker-archive:${image}-${copy}.tar:matrix/${image}:${copy}`,
      refuses: { zstd: 'LAYER_UNSUPPORTED', signed: 'MEDIA_TYPE_UNSUPPORTED' },
    },
    {
      name: 'dir',
      at: (image, copy) => `dir:dir-${image}-${copy}`,
      refuses: { signed: 'PLACE_TAKEN' },
      digest: (image, copy) => raw(`dir:dir-${image}-${copy}`),
    },
    {
      name: 'docker',
      at: (image, copy) => `docker://${host}/${image}:${copy}`,
      refuses: {},
      digest: (image, copy) => raw(`docker://${host}/${image}:${copy}`, '--tls-verify=false'),
    },
    {
      name: 'registry-fs',
      at: (image, copy) => `registry-fs:${storage}:files/${image}:${copy}`,
      refuses: {},
      digest: (image, copy) => raw(`docker://${host}/files/${image}:${copy}`, '--tls-verify=false'),
    },
  ]
}

/** Puts the four images into the layout `master`. */
async function makeImages(place: Lab): Promise<void> {
  place.write({ 'small/bin/': '', 'more/etc/word': 'hello\n', 'last/srv/file': 'x\n' })
  fs.copyFileSync('/bin/busybox', place.path('small/bin/sh'))
  fs.chmodSync(place.path('small/bin/sh'), 0o755)
  const base = ALL ? await debianTree() : 'small'
  const command = `--cmd '["/bin/sh", "-c", "echo ran"]'`
  const described = `manifest-gen --platform linux/amd64 ${command}`
  const more = 'img-edit --append small --append more --append last'
  for (const [name, how] of [
    ['layers', ''],
    ['zstd', '--compress zstd'],
  ] as const)
    await place.good(
      `layer-pack ${how} --dir ${base} | ${described} -t ${name}:1 | ${more} | blob-put oci:master:${name}`,
    )
  const small = `layer-pack --dir small | manifest-gen --platform linux/amd64 ${command}`
  await place.good(`${small} --label signed=yes -t signed:1 | blob-put oci:master:signed`)
  const other = 'layer-pack --dir more | manifest-gen --platform linux/arm64'
  await place.good(
    `{ ${small}; ${other}; } | manifest-gen --streams 2 --index -t platforms:1 | blob-put oci:master:platforms`,
  )
  sign(place, await rootOf(place, 'img-pull --no-tag oci:master:signed'))
}

interface Root {
  readonly digest: string
  readonly size: number
}

async function rootOf(place: Lab, command: string): Promise<Root> {
  const root = (await place.good(command)).records().find(record => record.root === true)
  if (root === undefined) throw new Error(`no image came of ${command}`)
  return { digest: String(root.digest), size: Number(root.size) }
}

/** Adds an artifact to `master` that refers to an image there, as ORAS does: an entry without a name. */
function sign(place: Lab, subject: Root): void {
  const put = (text: string, mediaType: string) => {
    const digest = sha256(text)
    fs.writeFileSync(place.path('master/blobs/sha256', digest.slice('sha256:'.length)), text)
    return { mediaType, digest, size: Buffer.byteLength(text) }
  }
  const artifact = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.example.signature',
    config: put('{}', 'application/vnd.oci.empty.v1+json'),
    layers: [put('signed', 'text/plain')],
    subject: { mediaType: OCI_MANIFEST, ...subject },
  }
  const file = place.path('master/index.json')
  const index = JSON.parse(fs.readFileSync(file, 'utf8'))
  index.manifests.push(put(JSON.stringify(artifact), OCI_MANIFEST))
  fs.writeFileSync(file, JSON.stringify(index))
}

interface Pulled {
  /** The file of the records. */
  readonly records: string
  /** Digests of the image and of what refers to it. */
  readonly digests: readonly string[]
}

/** The environment in which a place of a kind is spoken of: the store as a place is not the store that keeps blobs. */
function environment(place: Lab, kind: Kind): { readonly PIPELAYER_STORE: string } {
  return { PIPELAYER_STORE: place.path(kind.name === 'store' ? 'target' : `kept-of-${kind.name}`) }
}

async function pull(place: Lab, kind: Kind, from: string): Promise<Pulled> {
  const records = `from-${kind.name}.ndjson`
  const pipe = `img-pull --no-tag --all-platforms --referrers ${from} | tee ${records}`
  const roots = (await place.good(pipe, { env: environment(place, kind) })).records()
  return { records, digests: roots.flatMap(({ root, digest }) => (root === true ? [String(digest)] : [])) }
}

/** Puts an image into a place, and compares what became of it with what the kind can hold. */
async function putInto(
  t: Test,
  place: Lab,
  step: {
    readonly image: ImageName
    readonly kind: Kind
    readonly copy: string
    readonly pulled: Pulled
  },
): Promise<boolean> {
  const { image, kind, copy, pulled } = step
  const target = kind.at(image, copy)
  const what = `${image} into ${target}`
  const env = { PIPELAYER_STORE: place.path('target') }
  const { status, stdout, stderr } = await place.run(`blob-put ${target} < ${pulled.records}`, { env })
  // Where only what refers to the image cannot be held, the image itself is put.
  const isSigned = pulled.digests.length > 1
  const code = image === 'signed' && !isSigned ? undefined : kind.refuses[image]
  t.equal(status, code === undefined ? 0 : 1, `${what}: ${stderr}`)
  if (code !== undefined) t.match(stdout + stderr, code, `${what}: why it is refused`)
  if (code !== undefined && image !== 'signed') return false
  const read = `img-pull --no-tag --no-store --all-platforms ${target}`
  const again = (await place.good(read, { env })).records().find(({ root }) => root === true)
  t.equal(again?.digest, pulled.digests[0], `${what}: it is read back`)
  if (kind.digest !== undefined)
    t.equal(await kind.digest(image, copy), pulled.digests[0], `${what}: another program reads it`)
  return true
}

const SKIP = need('root', 'busybox', 'skopeo', 'docker-registry') || tooLong

t.test('every place times every place', { skip: SKIP }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  await makeImages(place)
  const kinds = await kindsIn(t, place)
  const [layout] = kinds.filter(({ name }) => name === 'oci')
  if (layout === undefined) throw new Error('there is no layout')
  for (const image of IMAGES) {
    t.test(image, async t => {
      const master = await pull(place, layout, `oci:master:${image}`)
      for (const source of kinds) {
        if (!(await putInto(t, place, { image, kind: source, copy: 'source', pulled: master }))) continue
        const pulled = await pull(place, source, source.at(image, 'source'))
        const count = image === 'signed' && source.refuses.signed === undefined ? 2 : 1
        t.same(pulled.digests, master.digests.slice(0, count), `${image} comes from ${source.name} as it was`)
        for (const kind of kinds)
          await putInto(t, place, { image, kind, copy: `from-${source.name}`, pulled })
      }
    })
  }
})
