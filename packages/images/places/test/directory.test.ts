import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { Layout } from '@pipelayer/layout'
import type { Descriptor, Index, Manifest } from '@pipelayer/oci'
import { need, storeImage, storeIndex, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { openPlace, type Place } from '../src/index.js'

const ARM = { os: 'linux', architecture: 'arm64' }

function open(text: string, more: object = {}): Place {
  return openPlace(text, { store: '/none', ...more })
}

/** A layout with the image `one:1` and the index `multi:1`. */
function filled(root: string): Layout {
  const layout = Layout.open(root, { create: true })
  storeImage(layout, { name: 'one', layers: ['one', 'two'] })
  const both = [
    storeImage(layout, { layers: ['one'] }),
    storeImage(layout, { layers: ['arm'], platform: ARM }),
  ]
  storeIndex(layout, both, 'multi')
  return layout
}

/** Copies an image as blob-put does: blobs, then manifests of an index, then what is named. */
async function copy(from: Place, to: Place): Promise<string> {
  const root = await from.read.resolve()
  const children = root.document.kind === 'index' ? (root.document as Index).manifests : []
  for (const child of children) {
    const manifest = await from.read.resolve(child.digest)
    await copyBlobs(from, to, manifest.document as Manifest)
    await to.write.putManifest(manifest)
  }
  if (root.document.kind === 'manifest') await copyBlobs(from, to, root.document)
  await to.write.publish(root)
  return root.descriptor.digest
}

async function copyBlobs(from: Place, to: Place, { config, layers }: Manifest): Promise<void> {
  for (const blob of [config, ...layers])
    if (!(await to.write.hasBlob(blob))) await to.write.putBlob(blob, () => from.read.blob(blob))
}

async function bytesOf(place: Place, descriptor: Descriptor): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of place.read.blob(descriptor)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

t.test('an image goes there and back', async t => {
  const dir = tempDir(t)
  const layout = filled(`${dir}/layout`)
  for (const name of ['one', 'multi']) {
    const to = open(`dir:${dir}/${name}`)
    const digest = await copy(open(`oci:${dir}/layout:${name}`), to)
    const back = open(`oci:${dir}/back:${name}`)
    t.equal(await copy(open(`dir:${dir}/${name}`), back), digest, name)
    t.equal((await back.read.resolve()).descriptor.digest, digest)
    t.same(
      fs.readdirSync(`${dir}/${name}`).filter(file => file.startsWith('.')),
      [],
      'nothing is left over',
    )
  }
  t.equal(fs.readFileSync(`${dir}/one/version`, 'utf8'), 'Directory Transport Version: 1.1\n')
  const place = open(`dir:${dir}/one`)
  const layer = { mediaType: 'x/y', digest: digestOf('two'), size: 3 }
  t.equal(await bytesOf(place, layer), 'two')
  t.equal(await place.read.blobSize?.(layer.digest), 3)
  t.equal(await place.read.blobSize?.(digestOf('none')), undefined)
  t.ok(layout.hasBlob(layer.digest))
})

t.test('skopeo reads what we write, and we read what it writes', { skip: need('skopeo') }, async t => {
  const dir = tempDir(t)
  filled(`${dir}/layout`)
  const skopeo = (...words: string[]): string =>
    execFileSync('skopeo', ['--insecure-policy', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  for (const name of ['one', 'multi']) {
    const digest = await copy(open(`oci:${dir}/layout:${name}`), open(`dir:${dir}/ours-${name}`))
    skopeo('copy', '--all', '--preserve-digests', `dir:${dir}/ours-${name}`, `oci:${dir}/theirs:${name}`)
    t.equal((await open(`oci:${dir}/theirs:${name}`).read.resolve()).descriptor.digest, digest, name)
    skopeo('copy', '--all', '--preserve-digests', `oci:${dir}/layout:${name}`, `dir:${dir}/theirs-${name}`)
    t.equal(await copy(open(`dir:${dir}/theirs-${name}`), open(`oci:${dir}/back:${name}`)), digest, name)
    t.same(fs.readdirSync(`${dir}/theirs-${name}`), fs.readdirSync(`${dir}/ours-${name}`), 'the same files')
  }
})

t.test('another image takes the place of the first one', async t => {
  const dir = tempDir(t)
  filled(`${dir}/layout`)
  await copy(open(`oci:${dir}/layout:multi`), open(`dir:${dir}/out`))
  fs.writeFileSync(`${dir}/out/signature-1`, 'x')
  fs.writeFileSync(`${dir}/out/notes.txt`, 'mine')
  const digest = await copy(open(`oci:${dir}/layout:one`), open(`dir:${dir}/out`))
  t.equal((await open(`dir:${dir}/out`).read.resolve()).descriptor.digest, digest)
  const layers = ['one', 'two'].map(text => digestOf(text).slice(7))
  const names = fs.readdirSync(`${dir}/out`)
  t.equal(names.length, 6, 'version, manifest, config, two layers, and a file of the user')
  for (const name of [...layers, 'notes.txt']) t.ok(names.includes(name))
})

t.test('two programs write into one folder', async t => {
  const dir = tempDir(t)
  filled(`${dir}/layout`)
  const from = open(`oci:${dir}/layout:one`)
  const { document, ...root } = await from.read.resolve()
  const slow = open(`dir:${dir}/out`)
  await copyBlobs(from, slow, document as Manifest)
  const digest = await copy(open(`oci:${dir}/layout:multi`), open(`dir:${dir}/out`))
  await t.rejects(slow.write.publish(root), { code: 'DIRECTORY_CHANGED', status: 75 })
  t.equal((await open(`dir:${dir}/out`).read.resolve()).descriptor.digest, digest, 'the image is a whole one')
})

t.test('what is refused', async t => {
  const dir = tempDir(t)
  filled(`${dir}/layout`)
  const from = open(`oci:${dir}/layout:one`)
  t.throws(() => open('dir:'), { code: 'PLACE_INVALID' })
  fs.mkdirSync(`${dir}/foreign`)
  fs.writeFileSync(`${dir}/foreign/file`, 'x')
  await t.rejects(copy(from, open(`dir:${dir}/foreign`)), { code: 'DIRECTORY_FOREIGN' })
  t.same(fs.readdirSync(`${dir}/foreign`), ['file'])
  fs.writeFileSync(`${dir}/file`, 'x')
  await t.rejects(copy(from, open(`dir:${dir}/file`)), { code: 'EEXIST' })
  await t.rejects(open(`dir:${dir}/none`).read.resolve(), { code: 'MANIFEST_UNKNOWN' })
  t.notOk(fs.existsSync(`${dir}/none`), 'reading makes nothing')
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: digestOf('one'), size: 3 }
  const place = open(`dir:${dir}/out`)
  await t.rejects(
    place.write.putBlob(layer, () => [Buffer.from('eno')] as unknown as AsyncIterable<Buffer>),
    {
      code: 'DIGEST_MISMATCH',
    },
  )
  t.same(fs.readdirSync(`${dir}/out`), ['version'], 'a wrong blob is never seen')
  await copy(from, place)
  const file = path.join(dir, 'out', digestOf('one').slice(7))
  fs.writeFileSync(file, 'eno')
  t.ok(await place.write.hasBlob(layer), 'of a layer the size counts')
  t.notOk(await open(`dir:${dir}/out`, { verify: true }).write.hasBlob(layer), 'unless it is verified')
  fs.rmSync(file)
  await t.rejects(bytesOf(place, layer), { code: 'BLOB_UNKNOWN' })
  execFileSync('mkfifo', [file])
  await t.rejects(bytesOf(place, layer), { code: 'FILE_INVALID' }, 'a FIFO is not waited for')
  const child = digestOf('child')
  fs.writeFileSync(`${dir}/out/${child.slice(7)}.manifest.json`, '{}')
  await t.rejects(place.read.resolve(child), { code: 'DIGEST_MISMATCH' })
  await t.rejects(place.read.resolve(digestOf('none')), { code: 'MANIFEST_UNKNOWN' })
  fs.writeFileSync(`${dir}/out/manifest.json`, '{')
  await t.rejects(place.read.resolve(), { code: 'MANIFEST_INVALID' })
})

t.test('what a killed program left is swept, the image stays', async t => {
  const dir = tempDir(t)
  filled(`${dir}/layout`)
  await copy(open(`oci:${dir}/layout:one`), open(`dir:${dir}/out`))
  const script = `
    const fs = require('node:fs')
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)
    const namespace = /\\d+/.exec(fs.readlinkSync('/proc/self/ns/pid'))[0]
    const start = fs.readFileSync('/proc/self/stat', 'latin1').split(') ').pop().split(' ')[19]
    fs.writeFileSync(process.argv[1] + '/.partial-.' + boot + '-' + namespace + '.' + process.pid + '.' + start + '.abc', 'x')`
  execFileSync(process.execPath, ['-e', script, `${dir}/out`])
  t.equal(fs.readdirSync(`${dir}/out`).filter(name => name.startsWith('.partial')).length, 1)
  await copy(open(`oci:${dir}/layout:multi`), open(`dir:${dir}/out`))
  t.equal(fs.readdirSync(`${dir}/out`).filter(name => name.startsWith('.partial')).length, 0)
})
