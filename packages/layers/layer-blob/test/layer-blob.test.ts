// Tests of the checks of a tar in a blob, and of their messages.

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '@pipelayer/digest'
import type { ConfigRecord, LayerRecord } from '@pipelayer/records'
import { chunked, handmade, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type BlobFile, openTar } from '../src/blob-file.js'
import { checkedTar, checkTar } from '../src/checked-tar.js'
import { checkDiffIDs } from '../src/image-check.js'
import { layerBlob } from '../src/layer-blob.js'

const tar = handmade([
  { name: 'd', type: 'dir' },
  { name: 'd/f', content: 'x'.repeat(100_000) },
])
const blob = gzipSync(tar)
const digest = digestOf(blob) as Digest
const diffID = `sha256:${createHash('sha256').update(tar).digest('hex')}`

async function read(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

t.test('openTar()', async t => {
  const file = path.join(tempDir(t, 'blob'), 'blob')
  fs.writeFileSync(file, blob)
  const given: BlobFile = { file, diffID, limits: {}, expected: { digest, size: blob.length } }
  const { tar: bytes, finish } = openTar(given)
  t.ok((await read(bytes)).equals(tar))
  t.equal(finish(), diffID)
  const rows: [why: string, change: Partial<BlobFile>, code: string][] = [
    ['another digest', { expected: { digest: digestOf('x') as Digest } }, 'DIGEST_MISMATCH'],
    ['another size', { expected: { digest, size: 1 } }, 'SIZE_MISMATCH'],
    ['another diffID', { diffID: digest }, 'DIFF_ID_MISMATCH'],
    ['a tar that is larger than it may be', { limits: { maxBytes: 1000 } }, 'DECOMPRESSION_LIMIT'],
    ['no file', { file: `${file}.none` }, 'ENOENT'],
    ['a directory', { file: path.dirname(file) }, 'FILE_INVALID'],
  ]
  for (const [why, change, code] of rows) {
    const work = async (): Promise<void> => {
      const open = openTar({ ...given, ...change })
      await read(open.tar)
      open.finish()
    }
    await t.rejects(work(), { code }, why)
  }
})

t.test('layerBlob()', async t => {
  const record = { type: 'layer', digest, size: blob.length, diffID } as LayerRecord
  const open = (): AsyncIterable<Buffer> => chunked(blob, 999)
  t.ok((await read(layerBlob(record, open).tar())).equals(tar))
  const elsewhere = layerBlob({ ...record, path: '/nowhere/at/all' }, open)
  t.ok((await read(elsewhere.tar())).equals(tar), 'a path that leads nowhere is a hint')
  await t.rejects(read(layerBlob({ ...record, diffID: digest }, open).tar()), { code: 'DIFF_ID_MISMATCH' })
  const { digest: _, ...without } = record
  t.throws(() => layerBlob(without as LayerRecord, open), { code: 'LAYER_INVALID' })
})

t.test('tars that are let through', async t => {
  let entries = 0
  t.ok((await read(checkedTar(chunked(tar, 700), () => entries++))).equals(tar), 'as they are')
  t.equal(entries, 2)
  const rows: [why: string, bytes: Buffer, code: string][] = [
    ['a name that leaves the root', handmade([{ name: '../x' }]), 'PATH_ESCAPES'],
    ['half a tar', tar.subarray(0, 700), 'TAR_TRUNCATED'],
  ]
  for (const [why, bytes, code] of rows) {
    await t.rejects(checkTar(chunked(bytes)), { code }, why)
    await t.rejects(read(checkedTar(chunked(bytes), () => undefined)), { code }, why)
  }
  const twice = handmade([{ name: 'x' }, { name: './x' }])
  await t.rejects(read(checkedTar(chunked(twice), () => undefined)), { code: 'DUPLICATE_ENTRY' })
  await t.resolves(checkTar(chunked(twice)), 'a tar that is only read to its end may have a path twice')
})

t.test('checkDiffIDs()', async t => {
  const config = (diffIDs: unknown): ConfigRecord =>
    ({ type: 'config', image: '1', config: { rootfs: { diff_ids: diffIDs } } }) as unknown as ConfigRecord
  checkDiffIDs(config(['a', 'b']), ['a', 'b'])
  checkDiffIDs(config(['a', 'b']), ['a', undefined])
  checkDiffIDs(config(undefined), ['a'])
  t.throws(() => checkDiffIDs(config(['a', 'b']), ['a']), { code: 'LAYERS_MISSING' })
  t.throws(() => checkDiffIDs(config(['a', 'b']), ['b', 'a']), { code: 'DIFF_ID_MISMATCH' })
})
