import { parseDigest, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { hasBlob } from './blobs.js'
import { CHUNK_BYTES, ChunkedUpload, type UploadMemory } from './chunked-upload.js'
import { checkTarget } from './endpoint.js'
import { nameOf } from './manifests.js'
import type { Patience } from './patience.js'
import { resolveLocation } from './redirects.js'
import { withRetries } from './retry.js'
import { repositoryScope } from './scopes.js'
import type { Session } from './session.js'
import { cancelUpload, startUpload, withDigest } from './upload-session.js'

/** Opens the content of a blob. It is called again when the first transfer breaks. */
export type OpenBlob = () => AsyncIterable<Buffer>

/** A blob to be uploaded. */
export interface BlobContent {
  readonly open: OpenBlob
  /** Saves where an upload in chunks goes on after it broke in another process. */
  readonly memory?: UploadMemory | undefined
}

/**
 * From this size on a blob is uploaded in chunks from the start. One request is faster, but when it breaks, all its
 * bytes are lost.
 */
const CHUNKED_BYTES = 256 * 1024 * 1024

/**
 * Uploads a blob: a small one in one piece; a big one, or one that failed, in chunks. The content is checked before its
 * last bytes are sent, so wrong bytes never become a blob, even if the registry checks nothing.
 *
 * Spec: distribution-spec v1.1, "POST then PUT".
 *
 * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `UPLOAD_INVALID`; those of a refusal; status 75 when it does not get through
 */
export async function uploadBlob(
  session: Session,
  descriptor: Descriptor,
  { open, memory }: BlobContent,
): Promise<void> {
  const inChunks = (): Promise<void> => new ChunkedUpload({ session, descriptor, open, memory }).run()
  if (descriptor.size >= CHUNKED_BYTES) return inChunks()
  await withRetries(session.retry, (attempt, patience) =>
    attempt > 1 && descriptor.size > CHUNK_BYTES
      ? inChunks()
      : inOnePiece(session, descriptor, { open, patience }),
  )
}

// Every try is a new upload, since an interrupted one has an unknown number of bytes.
async function inOnePiece(
  session: Session,
  descriptor: Descriptor,
  { open, patience }: { readonly open: OpenBlob; readonly patience: Patience },
): Promise<void> {
  const action = `put blob ${nameOf(session, descriptor.digest)}`
  // No request reads the source of an empty blob, so it is checked here.
  if (descriptor.size === 0) await prove(descriptor, open)
  const { target } = await startUpload(session, { action, patience })
  let sent = 0
  const body = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of verified(open(), descriptor)) {
      sent += chunk.length
      yield chunk
    }
  }
  const response = await session.once({
    patience,
    method: 'PUT',
    target: withDigest(target, parseDigest(descriptor.digest)),
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) },
    body: descriptor.size === 0 ? Buffer.alloc(0) : body,
    actions: ['pull', 'push'],
    expect: [201, 204],
    action,
  })
  response.body.cancel()
  if (sent === descriptor.size) return
  // The registry answered before it had read all, as it does for a blob that it has. Our bytes must match the digest
  // all the same.
  await prove(descriptor, open)
  if (await hasBlob(session, descriptor)) return
  const message = `cannot ${action}: the registry took ${sent} of ${descriptor.size} bytes for the whole blob`
  throw new ToolError('UPLOAD_INVALID', message)
}

async function prove(descriptor: Descriptor, open: OpenBlob): Promise<void> {
  for await (const _ of verified(open(), descriptor)) {
    // Reading the bytes checks their digest.
  }
}

/**
 * Asks the registry to mount a blob from another of its repositories.
 *
 * @param from - path of that repository
 * @returns false when it refuses, so that the blob has to be uploaded
 */
export async function mountBlob(session: Session, { digest }: Descriptor, from: string): Promise<boolean> {
  const query = new URLSearchParams({ mount: parseDigest(digest), from })
  const response = await session.request({
    method: 'POST',
    target: `blobs/uploads/?${query}`,
    headers: { 'content-length': '0' },
    actions: ['pull', 'push'],
    scopes: [repositoryScope(from, ['pull']) ?? ''],
    expect: [201, 202, 401, 403, 404, 405],
    action: `mount blob ${nameOf(session, digest)}`,
  })
  response.body.cancel()
  const location = response.header('location')
  if (response.status === 202 && location !== undefined) await abandon(session, location)
  return response.status === 201
}

// The registry has begun an upload in place of the mount. It is cancelled, since we begin our own.
async function abandon(session: Session, location: string): Promise<void> {
  await cancelUpload(session, checkTarget(resolveLocation(location, session.registry), session.registry))
}
