// Many small images as records and blobs, made without one process for each.
// small-images.mjs DIR COUNT REPOSITORY: writes their blobs into DIR, their records to stdout; they are named REPOSITORY/nN:1.
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'

const OCI = 'application/vnd.oci.image'
const SHARED_BYTES = 50_000
const OWN_BYTES = 20_000

/** The records of `count` images that share their lowest layer and have one more each. Their blobs are files of `dir`. */
function* smallImages(dir, count, repository) {
  fs.mkdirSync(dir, { recursive: true })
  const base = layer(dir, 'base', SHARED_BYTES)
  let records = 0
  for (let at = 0; at < count; at++) {
    for (const record of image(dir, base, `${at}`, `${repository}/n${at}:1`)) {
      records++
      yield record
    }
  }
  yield { type: 'end', tool: 'small-images', records, failed: 0 }
}

function image(dir, base, key, reference) {
  const own = layer(dir, key, OWN_BYTES)
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [base.diffID, own.diffID] },
  }
  const configBlob = blob(dir, `${OCI}.config.v1+json`, Buffer.from(JSON.stringify(config)))
  const mediaType = `${OCI}.manifest.v1+json`
  const document = { schemaVersion: 2, mediaType, config: bare(configBlob), layers: [base, own].map(bare) }
  const manifest = blob(dir, mediaType, Buffer.from(JSON.stringify(document)))
  return [
    { type: 'layer', ...base },
    { type: 'layer', ...own },
    { type: 'config', ...configBlob, config },
    { type: 'manifest', ...manifest, root: true, reference },
  ].map(({ type, ...record }) => ({ type, image: key, ...record }))
}

function layer(dir, name, bytes) {
  const tar = tarOf(name, randomBytes(bytes))
  return { ...blob(dir, `${OCI}.layer.v1.tar+gzip`, gzipSync(tar)), diffID: digestOf(tar) }
}

function blob(dir, mediaType, bytes) {
  const digest = digestOf(bytes)
  const file = path.resolve(dir, digest.slice(7))
  fs.writeFileSync(file, bytes)
  return { mediaType, digest, size: bytes.length, path: file }
}

function bare({ mediaType, digest, size }) {
  return { mediaType, digest, size }
}

function digestOf(bytes) {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function tarOf(name, body) {
  const header = Buffer.alloc(512)
  const octal = (value, width) => `${value.toString(8).padStart(width - 1, '0')}\0`
  header.write(`${name}\0`)
  header.write(
    `${octal(0o644, 8)}${octal(0, 8)}${octal(0, 8)}${octal(body.length, 12)}${octal(0, 12)}        0`,
    100,
  )
  header.write('ustar\0' + '00', 257)
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      8,
    ),
    148,
  )
  return Buffer.concat([header, body, Buffer.alloc(((512 - (body.length % 512)) % 512) + 1024)])
}

const [dir = 'blobs', count = '10', repository = 'localhost/small'] = process.argv.slice(2)
for (const record of smallImages(dir, Number(count), repository))
  fs.writeSync(1, `${JSON.stringify(record)}\n`)
