// The list of archives of sealos, the images of a context, and bases of the classic dialect.
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import type { BaseImage } from '@pipelayer/planning'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { archiveList } from '../src/archive-list.js'
import { bringAllImages } from '../src/bring-images.js'
import { baseCommands, withoutClassic } from '../src/sealer-base.js'

t.test('lists of archives', async t => {
  const text = '# c\r\n\r\n  docker-archive:a.tar@app:1  \r\noci-archive:./sub/../b.tar@quay.io/x/y\r\n'
  t.same(archiveList(text, 'f'), [
    { transport: 'docker-archive', file: 'a.tar', name: 'docker.io/library/app:1' },
    { transport: 'oci-archive', file: 'b.tar', name: 'quay.io/x/y:latest' },
  ])
  const rows: readonly [line: string, message: RegExp, why: string][] = [
    ['nginx:1', /^f:2: expected docker-archive:FILE@NAME/, 'a reference'],
    ['docker-archive:a.tar', /expected/, 'no name'],
    ['dir:a@b', /expected/, 'another place'],
    ['docker-archive:@a', /"" is no file beside the list/, 'no file'],
    ['docker-archive:../a.tar@a', /is no file beside/, 'a file elsewhere'],
    ['docker-archive:a/../../b.tar@a', /is no file beside/, 'on a detour'],
    ['oci-archive:/etc/passwd@a', /is no file beside/, 'a file of the machine'],
    ['oci-archive:a:b.tar@a', /is no file beside/, 'a tag of a place'],
    ['docker-archive:a.tar@a:', /^f:2: /, 'a name that ends in a colon'],
    ['docker-archive:a.tar@UPPER', /^f:2: /, 'no reference'],
    [`docker-archive:a.tar@a@sha256:${'0'.repeat(64)}`, /has a digest/, 'a pinned name'],
  ]
  for (const [line, message, why] of rows)
    t.throws(() => archiveList(`\n${line}\n`, 'f'), { code: 'IMAGE_LIST_INVALID', message }, why)
  const many = Array.from({ length: 100_000 }, (_, index) => `docker-archive:${index}.tar@a:${index}`)
  t.equal(archiveList(many.join('\r\n'), 'f').length, 100_000, 'a long list')
})

interface Entry {
  readonly name: string
  readonly content: Buffer
}

/** A tar of plain files, by its format: headers of 512 bytes, contents in blocks. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, content }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write('0000644\x000000000\x000000000\0', 100)
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0        0', 136)
    header.write('ustar\x0000', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

/** What `docker save` writes of an image with one layer. */
function saved(name: string): Buffer {
  const layer = tar([{ name: 'file', content: Buffer.from(name) }])
  const config = Buffer.from(
    JSON.stringify({
      os: 'linux',
      architecture: 'amd64',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  )
  const manifest = [{ Config: 'c.json', RepoTags: [`${name}:other`], Layers: ['l.tar'] }]
  return tar([
    { name: 'c.json', content: config },
    { name: 'l.tar', content: layer },
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
  ])
}

t.test('archives come into the registry under the names of the list', async t => {
  const dir = tempDir(t, 'archives')
  const [layer, context, target] = ['layer', 'context', 'rootfs'].map(name => path.join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const folder of [layer, context]) fs.mkdirSync(path.join(folder, 'images/skopeo'), { recursive: true })
  fs.mkdirSync(target)
  const said: string[] = []
  const bring = (from?: string): Promise<void> =>
    bringAllImages(
      {
        env: {},
        warn: message => void said.push(message),
        inform: message => void said.push(message),
        openChain: () => ({ dir: layer, close: () => undefined }),
      },
      {
        kind: 'images',
        fresh: { kind: 'chain', lowers: [layer] },
        ...(from !== undefined && { context: from }),
        platform: 'linux/amd64',
        plainHttp: false,
        store: path.join(dir, 'store'),
      },
      target,
    )
  const list = (folder: string, text: string): void =>
    fs.writeFileSync(path.join(folder, 'images/skopeo/tar.txt'), text)
  const tags = (name: string): readonly string[] =>
    fs.readdirSync(path.join(target, 'registry/docker/registry/v2/repositories', name, '_manifests/tags'))
  list(layer, 'docker-archive:one.tar@quay.io/team/one:1\n')
  fs.writeFileSync(path.join(layer, 'images/skopeo/one.tar'), saved('one'))
  await bring()
  t.same(tags('team/one'), ['1'], 'the list of the new layers; the name has no domain')
  t.same(said, ['1 archived images come into the registry'])
  list(context, 'docker-archive:two.tar@two\n')
  fs.writeFileSync(path.join(context, 'images/skopeo/two.tar'), saved('two'))
  await bring(context)
  t.same(tags('library/two'), ['latest'], 'the list of the context counts before it')

  const failures: readonly [text: string, message: RegExp, why: string][] = [
    ['docker-archive:none.tar@a:1', /a:1 of none\.tar .*no regular file/, 'no such archive'],
    ['docker-archive:link.tar@a:1', /no regular file/, 'a link to another file'],
    ['docker-archive:broken.tar@a:1', /a:1 of broken\.tar/, 'no archive'],
    ['oci-archive:two.tar@a:1', /a:1 of two\.tar/, 'an archive of the other kind'],
  ]
  fs.symlinkSync(path.join(layer, 'images/skopeo/one.tar'), path.join(context, 'images/skopeo/link.tar'))
  fs.writeFileSync(path.join(context, 'images/skopeo/broken.tar'), 'x'.repeat(2000))
  for (const [text, message, why] of failures) {
    list(context, text)
    await t.rejects(bring(context), { code: 'IMAGES_FAILED', message }, why)
  }
  list(context, 'nginx')
  await t.rejects(bring(context), { code: 'IMAGE_LIST_INVALID', message: /^images\/skopeo\/tar\.txt:1: / })
})

t.test('bases', async t => {
  const base = (config: object, annotations = {}): BaseImage =>
    ({ config, layers: [{}], annotations, mend: async () => true }) as unknown as BaseImage
  const classic = base({
    ...{ os: 'linux', kind: 'Image', apiVersion: '', metadata: { name: 'base:1' }, spec: {}, rootfs: {} },
    config: { Cmd: ['kubectl a'], Labels: { x: 'y' } },
    history: [
      { created_by: 'COPY . .' },
      { created_by: 'CMD kubectl a', empty_layer: true },
      { created_by: 'CMD kubectl  b ', empty_layer: true },
    ],
  })
  t.same(baseCommands(classic), ['kubectl a', 'kubectl  b'])
  const plain = withoutClassic(classic)
  t.same(plain.config, {
    ...{ os: 'linux', rootfs: {} },
    config: { Labels: { x: 'y' } },
    history: [{ created_by: 'COPY . .' }],
  })
  t.ok(await plain.mend(), 'and it can be mended as before')
  const ordinary = base({
    config: { Cmd: ['bash'] },
    history: [{ created_by: 'CMD ["bash"]', empty_layer: true }],
  })
  t.same(baseCommands(ordinary), [], 'a shell is no command of a cluster')
  t.equal(withoutClassic(ordinary), ordinary)
  const labels = { 'sealos.io.type': 'rootfs' }
  t.same(baseCommands(base({ config: { Cmd: ['a b'], Labels: labels } })), ['a b'], 'of sealos')
  t.same(
    baseCommands(base({ config: { Cmd: ['a b'] } }, { 'sealer.image.extension': '{}' })),
    ['a b'],
    'of sealer 0.9',
  )
})
