// Many small images as records and blobs, made without one process for each.
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { work } from './harness.mjs'

const OCI = 'application/vnd.oci.image'
const SHARED_BYTES = 50_000
const OWN_BYTES = 20_000

/**
 * Writes the records of `count` images that share their lowest layer and have one more each, and a list of their
 * references. The files' names.
 *
 * @param repository - `HOST/PATH` that they are named below
 */
export function smallImages(count, repository) {
  const base = layer('base', SHARED_BYTES)
  const records = Array.from({ length: count }, (_, at) =>
    image(`${at}`, base, `${repository}/n${at}:1`),
  ).flat()
  records.push({ type: 'end', tool: 'bench', records: records.length, failed: 0 })
  const lines = records.map(record => JSON.stringify(record))
  const references = records.flatMap(({ reference }) => reference ?? [])
  return { records: written('images.ndjson', lines), references: written('references', references) }
}

function image(key, base, reference) {
  const own = layer(key, OWN_BYTES)
  const config = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [base.diffID, own.diffID] },
  }
  const configBlob = blob(`${OCI}.config.v1+json`, Buffer.from(JSON.stringify(config)))
  const mediaType = `${OCI}.manifest.v1+json`
  const document = { schemaVersion: 2, mediaType, config: bare(configBlob), layers: [base, own].map(bare) }
  const manifest = blob(mediaType, Buffer.from(JSON.stringify(document)))
  return [
    { type: 'layer', ...base },
    { type: 'layer', ...own },
    { type: 'config', ...configBlob, config },
    { type: 'manifest', ...manifest, root: true, reference },
  ].map(({ type, ...record }) => ({ type, image: key, ...record }))
}

function layer(name, bytes) {
  const tar = tarOf(name, randomBytes(bytes))
  return { ...blob(`${OCI}.layer.v1.tar+gzip`, gzipSync(tar)), diffID: digestOf(tar) }
}

function blob(mediaType, bytes) {
  const digest = digestOf(bytes)
  const file = path.join(work, 'blobs', digest.slice(7))
  fs.mkdirSync(path.dirname(file), { recursive: true })
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

function written(name, lines) {
  const file = path.join(work, name)
  fs.writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
