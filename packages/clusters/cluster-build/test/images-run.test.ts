// The container images that a root filesystem names are put into its registry, in this process.
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { type Scope, serve, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { bringImages } from '../src/images-run.js'

interface Lab {
  readonly dir: string
  readonly host: string
  /** `registry/` of the root filesystem. */
  readonly registry: string
  /** The Authorization header of each request for a manifest. */
  readonly seen: (string | undefined)[]
  readonly said: string[]
  file(name: string, content: string): string
  bring(list?: string): Promise<void>
}

/** A registry that asks for a password and has `app:1` and `other:1`, and a new layer that names images. */
async function lab(t: Scope, password: string): Promise<Lab> {
  const documents = new Map<string, { readonly mediaType: string; readonly bytes: Buffer }>()
  const keep = (mediaType: string, content: Buffer | object): object => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    documents.set(digestOf(bytes), { mediaType, bytes })
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const layers = [keep(MEDIA_TYPES.ociLayer, Buffer.from('layer'))]
  const rootfs = { type: 'layers', diff_ids: [digestOf(Buffer.from('layer'))] }
  const config = keep(MEDIA_TYPES.ociConfig, { os: 'linux', architecture: 'amd64', rootfs })
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers }
  const manifest = { mediaType: MEDIA_TYPES.ociManifest, bytes: Buffer.from(JSON.stringify(document)) }
  const seen: (string | undefined)[] = []
  const { url } = await serve(t, ({ url: asked = '', headers }, response) => {
    const name = /\/blobs\/(.+)$/.exec(asked)?.[1] ?? ''
    const isImage = /^\/v2\/(app|other)\/manifests\/1$/.test(asked)
    if (isImage) seen.push(headers.authorization)
    const found = isImage ? manifest : documents.get(name)
    const isKnown = headers.authorization === `Basic ${Buffer.from(`me:${password}`).toString('base64')}`
    if (!isKnown) response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
    else if (found === undefined) response.writeHead(404).end()
    else
      response
        .writeHead(200, { 'content-type': found.mediaType, 'content-length': found.bytes.length })
        .end(found.bytes)
  })
  const dir = tempDir(t, 'images')
  const said: string[] = []
  const layer = path.join(dir, 'layer')
  fs.mkdirSync(path.join(layer, 'manifests'), { recursive: true })
  fs.mkdirSync(path.join(dir, 'rootfs'))
  const setup = {
    env: { REGISTRY_AUTH_FILE: path.join(dir, 'auth.json') },
    warn: (message: string) => void said.push(message),
    inform: (message: string) => void said.push(message),
    openChain: () => ({ dir: layer, close: () => undefined }),
  }
  return {
    dir,
    host: url.replace('http://', ''),
    registry: path.join(dir, 'rootfs/registry'),
    seen,
    said,
    file: (name, content) => {
      fs.writeFileSync(path.join(dir, name), content)
      return path.join(dir, name)
    },
    bring: list =>
      bringImages(
        setup,
        {
          kind: 'images',
          fresh: { kind: 'chain', lowers: [layer] },
          ...(list !== undefined && { list }),
          platform: 'linux/amd64',
          plainHttp: false,
          store: path.join(dir, 'store'),
        },
        path.join(dir, 'rootfs'),
      ),
  }
}

const authOf = (password: string): string => Buffer.from(`me:${password}`).toString('base64')

function listOf(host: string, password: string, image = 'other:1'): string {
  return `- registry: ${host}\n  username: me\n  password: ${password}\n  images:\n  - ${host}/${image}\n`
}

t.test('images of a layer and of the list', async t => {
  const { host, registry, seen, said, file, bring } = await lab(t, 'right')
  file('layer/manifests/imageList', `${host}/app:1\n`)
  file('auth.json', JSON.stringify({ auths: { [host]: { auth: authOf('wrong') } } }))
  await bring(file('imageListWithAuth.yaml', listOf(host, 'right')))
  for (const name of ['app', 'other'])
    t.ok(
      fs.existsSync(path.join(registry, `docker/registry/v2/repositories/${name}/_manifests/tags/1`)),
      name,
    )
  t.ok(seen.includes(`Basic ${authOf('right')}`), 'with the credentials of the list')
  t.notOk(seen.includes(`Basic ${authOf('wrong')}`), 'before those of the user')
  t.same(said, ['2 container images come into the registry'])
})

t.test('the credentials of the user, where the list has none', async t => {
  const { host, registry, file, bring } = await lab(t, 'right')
  file('layer/manifests/imageList', `${host}/app:1\n`)
  file('auth.json', JSON.stringify({ auths: { [host]: { auth: authOf('right') } } }))
  await bring()
  t.ok(fs.existsSync(path.join(registry, 'docker/registry/v2/repositories/app')))
})

t.test('nothing is named', async t => {
  const { registry, said, bring } = await lab(t, 'right')
  await bring()
  t.notOk(fs.existsSync(registry), 'no registry comes of it')
  t.same(said, [])
})

t.test('what cannot be brought', async t => {
  const { host, file, bring, said } = await lab(t, 'right')
  file('auth.json', JSON.stringify({ auths: { [host]: { auth: authOf('right') } } }))
  const rows: readonly [files: Readonly<Record<string, string>>, message: RegExp, why: string][] = [
    [
      { imageList: `${host}/gone:1\n${host}/app:1\n${host}/away:2\n` },
      /into the registry: .*gone:1.*away:2/,
      'all that are missing are named',
    ],
    [
      { imageList: `${host}/gone:1\n` },
      /into the registry: cannot get manifest 127\.0\.0\.1:\d+\/gone:1: \S+ answered 404$/,
      'one alone',
    ],
    [{ 'a.yaml': 'containers:\n- image: "a b"\n' }, /a\.yaml:2: .*a b"/, 'what is no reference'],
    [{ 'a.yaml': 'a: [\n' }, /a\.yaml/, 'a file that cannot be read'],
  ]
  for (const [files, message, why] of rows) {
    for (const [name, content] of Object.entries(files)) file(`layer/manifests/${name}`, content)
    await t.rejects(bring(), { code: 'IMAGES_FAILED', message, status: 1 }, why)
    for (const name of Object.keys(files)) file(`layer/manifests/${name}`, '')
  }
  const image = `image: "a b"\n`
  file('layer/manifests/b.yaml', image)
  await bring()
  t.match(said.at(-1), /b\.yaml:1: .*\[[A-Z_]+\]$/, 'what may be none is a warning, with its code')
})
