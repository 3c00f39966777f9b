import { parseDigest, verified } from '@pipelayer/digest'
import type { Descriptor } from '@pipelayer/oci'
import { nameOf } from './manifests.js'
import { contentLength } from './range.js'
import { streamBlob } from './read-ahead.js'
import type { Session } from './session.js'
import type { HttpResponse } from './transport.js'

/** Asks whether the repository has a blob. A blob of another size does not count. */
export async function hasBlob(session: Session, { digest, size }: Descriptor): Promise<boolean> {
  const response = await head(session, digest)
  const length = contentLength(response)
  return response.status === 200 && (length === undefined || length === 0 || length === size)
}

/** The size of a blob in bytes, as the registry states it; undefined when it has no such blob, or states no size. */
export async function blobSize(session: Session, digest: string): Promise<number | undefined> {
  const response = await head(session, digest)
  return response.status === 200 ? contentLength(response) : undefined
}

async function head(session: Session, digest: string): Promise<HttpResponse> {
  const response = await session.request({
    method: 'HEAD',
    target: `blobs/${parseDigest(digest)}`,
    headers: { 'accept-encoding': 'identity' },
    actions: ['pull'],
    expect: [200, 404],
    action: `look for blob ${nameOf(session, digest)}`,
  })
  response.body.cancel()
  return response
}

/**
 * Fetches a blob and checks it: after the last chunk, size and digest were right. Before that its bytes must not be
 * trusted.
 *
 * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `DIGEST_UNSUPPORTED`; those of {@link streamBlob}
 */
export async function* readBlob(
  session: Session,
  descriptor: Descriptor,
): AsyncGenerator<Buffer, void, undefined> {
  yield* verified(streamBlob(session, descriptor), descriptor)
}
