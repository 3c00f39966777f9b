import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { digestOf } from '@pipelayer/digest'
import { Layout } from '@pipelayer/layout'
import { openPlace } from '@pipelayer/places'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type BlobGetOptions, blobGet } from '../src/index.js'

const BLOB = Buffer.from('the bytes of a blob')
const DIGEST = digestOf(BLOB)

async function get(store: string, words: string[], more: Partial<BlobGetOptions> = {}): Promise<string> {
  let all = ''
  const registries = { retry: { tries: 2, baseMs: 1, maxMs: 2 } }
  for await (const chunk of blobGet({ words, store, registries, ...more })) all += chunk
  return all
}

// In such a folder, a blob is seen only together with a manifest that names it.
async function putInFolder(text: string): Promise<void> {
  const { write } = openPlace(text, { store: '/nowhere' })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const blob = { mediaType: 'application/octet-stream', digest: DIGEST, size: BLOB.length }
  await write.putBlob(blob, async function* () {
    yield BLOB
  })
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: blob, layers: [] }))
  await write.publish({ descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes })
}

t.test('one blob', async t => {
  const dir = tempDir(t, 'blob-get')
  const layout = Layout.open(`${dir}/layout`, { create: true })
  layout.putBytes(BLOB)
  const absent = digestOf('other')
  const torn = digestOf('torn')
  fs.writeFileSync(layout.blobPath(torn), 'TORN')
  const place = `oci:${dir}/layout`
  const folder = `registry-fs:${dir}/folder:team/app`
  await putInFolder(folder)
  const rows: readonly [words: string[], result: string | { code: string; status: number }, why: string][] = [
    [[place, DIGEST], String(BLOB), 'a place and a digest'],
    [[`${place}@${DIGEST}`], String(BLOB), 'both in one'],
    [[folder, DIGEST], String(BLOB), "a repository of a registry's folder"],
    [
      [`registry-fs:${dir}/folder:team/other`, DIGEST],
      { code: 'BLOB_UNKNOWN', status: 1 },
      'another repository',
    ],
    [[place, absent], { code: 'BLOB_UNKNOWN', status: 1 }, 'not there'],
    [[place, torn], { code: 'DIGEST_MISMATCH', status: 1 }, 'damaged'],
    [[place, 'sha256:1'], { code: 'DIGEST_INVALID', status: 2 }, 'no digest'],
    [[place], { code: 'USAGE', status: 2 }, 'no digest at all'],
    [[`oci:${dir}/none`, DIGEST], { code: 'LAYOUT_MISSING', status: 1 }, 'no such place'],
  ]
  for (const [words, result, why] of rows) {
    const run = get(`${dir}/store`, words)
    if (typeof result === 'string') t.equal(await run, result, why)
    else await t.rejects(run, result, why)
  }
  t.equal(await get(`${dir}/store`, [place, DIGEST], { file: `${dir}/out` }), '', 'to a file')
  t.same(fs.readFileSync(`${dir}/out`), BLOB)
  await t.rejects(get(`${dir}/store`, [place, torn], { file: `${dir}/torn` }), { code: 'DIGEST_MISMATCH' })
  const none = { file: `${dir}/none/out` }
  await t.rejects(get(`${dir}/store`, [place, DIGEST], none), { code: 'ENOENT' }, 'no such folder')
  t.same(fs.readdirSync(dir).sort(), ['folder', 'layout', 'out'], 'nothing half is left')
})

t.test('a registry that breaks off: the next call goes on', async t => {
  const dir = tempDir(t, 'blob-get')
  const ranges: (string | undefined)[] = []
  const server = http.createServer(({ method, headers }, response) => {
    if (method === 'HEAD') return void response.writeHead(200, { 'content-length': BLOB.length }).end()
    ranges.push(headers.range)
    const from = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
    const last = BLOB.length - 1
    const part = { 'content-length': last + 1 - from, 'content-range': `bytes ${from}-${last}/${last + 1}` }
    response.writeHead(headers.range === undefined ? 200 : 206, part)
    // The first call gets only five bytes, even if it tries again.
    if (ranges.length === 1) response.write(BLOB.subarray(0, 5), () => response.destroy())
    else if (ranges.length === 2) response.destroy()
    else response.end(BLOB.subarray(from))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const words = [`127.0.0.1:${(server.address() as AddressInfo).port}/a/b@${DIGEST}`]
  const warned: string[] = []
  const more = { file: `${dir}/out`, warn: (message: string) => void warned.push(message) }
  await t.rejects(get(dir, words, more), { code: 'CONNECTION_LOST', status: 75 })
  t.match(warned, [/trying again/], 'what is tried again is said')
  t.notOk(fs.existsSync(`${dir}/out`))
  await get(dir, words, more)
  t.same(fs.readFileSync(`${dir}/out`), BLOB)
  t.same(ranges, [undefined, 'bytes=5-18', 'bytes=5-18'])
  t.same(fs.readdirSync(dir), ['out'])
})
