// The container images that a root filesystem names are put into its registry, in this process.
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '@pipelayer/digest'
import { putImages } from '@pipelayer/image-streams'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { pullImages } from '@pipelayer/pulling'
import { type AnyRecord, collect } from '@pipelayer/records'
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
  bring(list?: string, more?: { readonly strict?: boolean }): Promise<void>
  /** Puts `app:1` into an archive. */
  pack(place: string): Promise<void>
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
      fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
      fs.writeFileSync(path.join(dir, name), content)
      return path.join(dir, name)
    },
    pack: async place => {
      const credentials = async (): Promise<{ username: string; password: string }> => ({
        username: 'me',
        password,
      })
      const options = { tool: 't', store: path.join(dir, 'store'), registries: { credentials } }
      const choice = { platforms: [{ os: 'linux', architecture: 'amd64' }], keeps: 'nothing' } as const
      const reference = `${url.replace('http://', '')}/app:1`
      const pulled = pullImages(each([]), { ...options, references: [reference], choice })
      await collect(putImages(pulled, { ...options, place }))
    },
    bring: (list, more) =>
      bringImages(
        setup,
        {
          kind: 'images',
          fresh: { kind: 'chain', lowers: [layer] },
          ...(list !== undefined && { list }),
          platform: 'linux/amd64',
          plainHttp: false,
          store: path.join(dir, 'store'),
          ...more,
        },
        path.join(dir, 'rootfs'),
      ),
  }
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, undefined> {
  yield* records
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

t.test('guesses', async t => {
  const { host, registry, file, bring, said } = await lab(t, 'right')
  const has = (name: string): boolean =>
    fs.existsSync(path.join(registry, `docker/registry/v2/repositories/${name}/_manifests/tags/1`))
  file('auth.json', JSON.stringify({ auths: { [host]: { auth: authOf('right') } } }))
  file('layer/charts/c/Chart.yaml', 'name: c\n')
  file('layer/charts/c/values.yaml', `image: ${host}/app:1\nx:\n  image: ${host}/gone:1\n`)
  await bring()
  t.ok(has('app'), 'one that is there comes')
  t.same(said[0], '2 container images come into the registry')
  t.match(
    said[1],
    /^charts\/c\/values\.yaml:3: 127\.0\.0\.1:\d+\/gone:1 is a guess, and is left out: .* answered 404 \[/,
    'one that is not is a warning with chart, file and line',
  )
  t.equal(said.length, 2)
  await t.rejects(bring(undefined, { strict: true }), { code: 'IMAGES_FAILED', message: /gone:1/ }, 'strict')
  file('layer/manifests/imageList', `${host}/gone:1\n`)
  await t.rejects(bring(), { code: 'IMAGES_FAILED' }, 'a certain finding of the same name behind it')
  file('layer/manifests/imageList', `${host}/other:1\n`)
  file('layer/charts/c/values.yaml', 'image: elsewhere.example/other:1\n')
  said.length = 0
  await bring()
  t.match(
    said[0],
    /^charts\/c\/values\.yaml:1: elsewhere.example\/other:1 is a guess, and is left out: its name without the domain is that of .* \[PLACE_TAKEN]$/,
    'a guess never takes the name of a certain image',
  )
  t.ok(has('other'))
  file('layer/manifests/imageList', '')
  file('layer/charts/c/values.yaml', 'image: "no image/ at:all"\n')
  await bring()
  t.match(said.at(-1), /values.yaml:1: .*\[REFERENCE_INVALID]$/, 'a guess that is no reference')
})

t.test('a missing dependency of a chart', async t => {
  const { file, bring, said } = await lab(t, 'right')
  file('layer/charts/c/Chart.yaml', 'name: c\ndependencies:\n- name: gone\n  version: 1.0.0\n')
  await bring()
  t.match(said, [
    /^charts\/c\/Chart.yaml:3: gone, on which the chart c depends, is not in its charts\/: .*\[CHART_INCOMPLETE]$/,
  ])
})

t.test('archives in images/', async t => {
  const { dir, host, registry, file, bring, pack, said } = await lab(t, 'right')
  const tagged = (name: string, tag: string): boolean =>
    fs.existsSync(path.join(registry, `docker/registry/v2/repositories/${name}/_manifests/tags/${tag}`))
  const images = path.join(dir, 'layer/images')
  fs.mkdirSync(images)
  await pack(`docker-archive:${images}/nginx.tar:example.org/packed/docker:2`)
  await pack(`oci-archive:${images}/second.tar:example.org/packed/oci:3`)
  await pack(`docker-archive:${dir}/third.tar:packed:4`)
  fs.writeFileSync(`${images}/third.tar.gz`, gzipSync(fs.readFileSync(`${dir}/third.tar`)))
  file('layer/images/text.tar', 'no archive')
  file('layer/images/readme.txt', 'no archive')
  fs.writeFileSync(`${images}/cut.tar`, fs.readFileSync(`${dir}/third.tar`).subarray(0, 700))
  await pack(`oci-archive:${images}/unnamed.tar:latest`)
  fs.symlinkSync(`${dir}/third.tar`, `${images}/link.tar`)
  // The archive has this image, so no registry is asked for it.
  file('layer/manifests/imageList', 'example.org/packed/docker:2\n')
  await bring()
  t.ok(tagged('packed/docker', '2'), 'of docker save, whatever the file is called')
  t.ok(tagged('packed/oci', '3'), 'an OCI layout')
  t.ok(tagged('library/packed', '4'), 'compressed')
  const warnings = said.filter(text => text.includes('['))
  t.match(
    warnings,
    [
      /images\/cut\.tar.*none of its images comes into the registry \[/,
      /^images\/text\.tar: .*none of its images comes into the registry \[/,
      /^images\/unnamed\.tar: an image in it has no name, and does not come into the registry \[ARCHIVE_UNNAMED]$/,
    ],
    'what is no archive, or names nothing, is told',
  )
  t.equal(warnings.length, 3)
  fs.copyFileSync(`${dir}/third.tar`, `${images}/twice.tar`)
  said.length = 0
  await bring()
  t.match(
    said.join('\n'),
    /images\/twice\.tar: docker\.io\/library\/packed:4 is in images\/third\.tar\.gz as well/,
  )
  const whole = fs.readFileSync(`${dir}/third.tar`)
  const at = whole.indexOf('layer')
  whole[whole.indexOf('layer', whole.indexOf('\0layer')) === -1 ? at : whole.lastIndexOf('layer')] = 0x4c
  fs.writeFileSync(`${images}/twice.tar`, whole)
  fs.rmSync(`${images}/third.tar.gz`)
  fs.rmSync(registry, { recursive: true })
  await t.rejects(
    bring(),
    { code: 'IMAGES_FAILED', message: /^images could not be brought .*images\/twice\.tar/ },
    'a damaged blob',
  )
  t.notOk(host === '', 'the registry was there')
})

t.test('plugins', async t => {
  const { file, bring, said } = await lab(t, 'right')
  file('layer/plugins/a.yaml', 'kind: Plugin\nspec: {type: NOPE, action: PostInstall}\n')
  file('layer/plugins/b.yaml', 'kind: Plugin\nspec: {type: SHELL, action: PostInstall}\n---\na: [\n')
  file('layer/plugins/c.txt', 'kind: Plugin\n')
  file('layer/plugin/old.yaml', 'kind: Plugin\n')
  await bring()
  t.match(said, [
    /^plugin: sealer reads plugins from plugins\/, not from plugin\/ \[PLUGIN_INVALID]$/,
    /^plugins\/a\.yaml:2: a plugin has the unknown type "NOPE": expected SHELL, .*\[PLUGIN_INVALID]$/,
    /^plugins\/b\.yaml:\d:\d+: .*\[PLUGIN_INVALID]$/,
  ])
  t.equal(said.length, 3)
})
