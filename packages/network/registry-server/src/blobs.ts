import fs from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { type Digest, parseDigest } from '@pipelayer/digest'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import type { Exchange } from './exchange.js'
import { parseRange } from './range.js'
import type { Subject } from './registry.js'
import type { StoredFile } from './storage.js'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
const READ_BYTES = 256 * 1024
/** Digests of empty content. An empty file under any other digest was left by a power cut. */
const EMPTY = /^sha(?:256:e3b0c442|384:38b060a7|512:cf83e135)/

/** `GET` and `HEAD /v2/NAME/blobs/DIGEST`. Spec: distribution-spec v1.1, "Pulling blobs"; RFC 9110, 14. */
export async function getBlob(subject: Subject): Promise<void> {
  const { exchange } = subject
  const digest = parseDigest(subject.item)
  const stored = storedBlob(subject, digest)
  const headers = {
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'max-age=31536000, immutable',
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
  }
  if (exchange.isKnown(digest)) return exchange.send(304, headers)
  if (exchange.request.method === 'HEAD') {
    exchange.response.writeHead(200, { ...headers, 'Content-Length': stored.size }).end()
    return
  }
  await sendBytes(exchange, stored, { headers, etag: `"${digest}"` })
}

/** `DELETE /v2/NAME/blobs/DIGEST`. Spec: distribution-spec v1.1, "Deleting Blobs". */
export async function deleteBlob({ registry, exchange, name, item }: Subject): Promise<void> {
  const digest = parseDigest(item)
  if (!(await registry.storage.repository(name).deleteBlob(digest))) throw unknownBlob(digest, name)
  exchange.send(202, {})
}

function storedBlob({ registry, name }: Subject, digest: Digest): StoredFile {
  const stored = registry.storage.repository(name).blob(digest)
  if (stored === undefined || (stored.size === 0 && !EMPTY.test(digest))) throw unknownBlob(digest, name)
  return stored
}

function unknownBlob(digest: Digest, name: string): ToolError {
  return new ToolError('BLOB_UNKNOWN', `there is no blob ${digest} in repository ${name}`)
}

async function sendBytes(
  exchange: Exchange,
  { file, size }: StoredFile,
  { headers, etag }: { readonly headers: Readonly<Record<string, string>>; readonly etag: string },
): Promise<void> {
  const condition = exchange.header('if-range')
  const asked = condition === undefined || condition === etag ? exchange.header('range') : undefined
  const range = parseRange(asked, size)
  if (range === 'unsatisfiable') {
    exchange.response.setHeader('Content-Range', `bytes */${size}`)
    throw new ToolError('RANGE_INVALID', `the blob has ${size} bytes, none of them in ${asked}`)
  }
  const { first, last } = range ?? { first: 0, last: size - 1 }
  const partial = range === undefined ? {} : { 'Content-Range': `bytes ${first}-${last}/${size}` }
  // The file is opened before the first header is sent, so that the answer for a blob that was removed meanwhile is
  // 404.
  const handle = await open(file)
  const source = handle.createReadStream({
    start: first,
    end: Math.max(first, last),
    highWaterMark: READ_BYTES,
  })
  exchange.response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    ...partial,
    'Content-Length': last - first + 1,
  })
  await pipeline(source, exchange.response)
  // Where the file has shrunk, the client would wait for the missing bytes for ever, so the connection is closed.
  if (source.bytesRead < last - first + 1) exchange.request.socket.destroy()
}

async function open(file: string): Promise<fs.promises.FileHandle> {
  try {
    return await fs.promises.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw systemError(cause, `read "${file}"`)
    throw new ToolError('BLOB_UNKNOWN', 'the blob was deleted just now', { cause })
  }
}
