import { type Digest, isDigest } from '@pipelayer/digest'
import { isName } from '@pipelayer/distribution-folder'
import { ToolError } from '@pipelayer/errors'
import type { Exchange } from './exchange.js'
import { parseChunkRange } from './range.js'
import type { Subject } from './registry.js'
import type { RepositoryStorage } from './storage.js'
import type { Chunk, Upload } from './upload.js'

/**
 * `POST /v2/NAME/blobs/uploads/`: begins an upload; with `mount` it takes the blob from another repository where that
 * is possible; with `digest` it takes the blob from the body.
 *
 * Spec: distribution-spec v1.1, "Pushing blobs", "Mounting a blob from another repository".
 */
export async function startUpload(subject: Subject): Promise<void> {
  const { registry, exchange, name } = subject
  const { query } = exchange
  const repository = registry.storage.repository(name)
  const mount = query.get('mount')
  const from = query.get('from') ?? undefined
  const canMount = mount !== null && isDigest(mount) && (from === undefined || isName(from))
  if (canMount && (await repository.mountBlob(mount, from))) return created(exchange, name, mount)
  const isWhole = query.has('digest') && exchange.length !== 0
  const digest = isWhole ? exchange.digestParameter() : undefined
  const id = registry.uploads.create(repository)
  if (digest === undefined) return accepted(exchange, { name, id, size: 0 })
  await registry.uploads.use({ repository, id }, hangUp(exchange), async upload => {
    await takeWhole(exchange, upload)
    await finish(exchange, { upload, repository, digest })
  })
}

/** `GET /v2/NAME/blobs/uploads/ID`: tells how many bytes an upload has. */
export async function getUpload(subject: Subject): Promise<void> {
  await withUpload(subject, async upload => {
    const { exchange, name } = subject
    exchange.send(204, progressOf({ name, id: upload.id, size: upload.size }))
  })
}

/**
 * `PATCH /v2/NAME/blobs/uploads/ID`: appends a chunk with a Content-Range; or, as Docker does it, the whole blob once,
 * without that header.
 *
 * Spec: distribution-spec v1.1, "Pushing a blob in chunks".
 */
export async function patchUpload(subject: Subject): Promise<void> {
  const { exchange, name } = subject
  await withUpload(subject, async upload => {
    const chunk = chunkOf(exchange)
    const { size } = upload
    if (chunk.first === undefined && size > 0)
      throw new ToolError(
        'BLOB_UPLOAD_INVALID',
        `the upload has ${size} bytes: a further chunk needs Content-Range`,
      )
    await append(subject, upload, chunk)
    accepted(exchange, { name, id: upload.id, size: upload.size })
  })
}

/**
 * `PUT /v2/NAME/blobs/uploads/ID?digest=DIGEST`: ends an upload; the body is empty, a last chunk, or the whole blob.
 */
export async function putUpload(subject: Subject): Promise<void> {
  const { registry, exchange, name } = subject
  const digest = exchange.digestParameter()
  await withUpload(subject, async upload => {
    if (exchange.length !== 0) await append(subject, upload, chunkOf(exchange))
    const repository = registry.storage.repository(name)
    await finish(exchange, { upload, repository, digest })
  })
}

/** `DELETE /v2/NAME/blobs/uploads/ID`. */
export async function deleteUpload(subject: Subject): Promise<void> {
  await withUpload(subject, async upload => {
    upload.remove()
    subject.exchange.send(204, {})
  })
}

function withUpload(
  { registry, exchange, name, item }: Subject,
  work: (upload: Upload) => Promise<void>,
): Promise<void> {
  const repository = registry.storage.repository(name)
  return registry.uploads.use({ repository, id: item }, hangUp(exchange), work)
}

function hangUp({ request }: Exchange): () => void {
  return () => request.destroy()
}

// A client whose chunk does not fit is told where to go on.
async function append({ exchange, name }: Subject, upload: Upload, chunk: Chunk): Promise<void> {
  try {
    await upload.append(chunk)
  } catch (error) {
    if (error instanceof ToolError && error.code === 'RANGE_INVALID') {
      for (const [header, value] of Object.entries(progressOf({ name, id: upload.id, size: upload.size })))
        exchange.response.setHeader(header, value)
    }
    throw error
  }
}

// A session of a single request is known to nobody else, so it is removed at once when the request breaks.
async function takeWhole(exchange: Exchange, upload: Upload): Promise<void> {
  try {
    const { length } = exchange
    await upload.append({ bytes: exchange.body(), first: 0, length, sent: length })
  } catch (error) {
    upload.remove()
    throw error
  }
}

async function finish(
  exchange: Exchange,
  { upload, repository, digest }: { upload: Upload; repository: RepositoryStorage; digest: Digest },
): Promise<void> {
  await exchange.patiently(() => upload.finish(repository, digest))
  created(exchange, repository.name, digest)
}

function chunkOf(exchange: Exchange): Chunk {
  const header = exchange.header('content-range')
  const { length } = exchange
  if (header === undefined) return { bytes: exchange.body(), first: undefined, length, sent: length }
  const range = parseChunkRange(header)
  if (range === undefined)
    throw new ToolError('RANGE_INVALID', `not a range of bytes: ${JSON.stringify(header)}`)
  const { first, last } = range
  return { bytes: exchange.body(), first, length: last - first + 1, sent: length }
}

interface ProgressOf {
  readonly name: string
  readonly id: string
  readonly size: number
}

function accepted(exchange: Exchange, progress: ProgressOf): void {
  exchange.send(202, progressOf(progress))
}

// The headers that name the last byte of an upload. An empty upload looks like one of a single byte, as in every
// registry.
function progressOf({ name, id, size }: ProgressOf): Record<string, string> {
  return {
    Location: `/v2/${name}/blobs/uploads/${id}`,
    Range: `0-${Math.max(0, size - 1)}`,
    'Docker-Upload-UUID': id,
  }
}

function created(exchange: Exchange, name: string, digest: Digest): void {
  exchange.send(201, { Location: `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest': digest })
}
