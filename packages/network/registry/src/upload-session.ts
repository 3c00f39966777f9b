/**
 * The upload sessions of a registry.
 *
 * ```
 * POST   blobs/uploads/           202, Location, perhaps OCI-Chunk-Min-Length
 * GET    Location                 204, Range: 0-<last byte>, perhaps a new Location
 * ```
 *
 * Every answer may give a new Location, and only the newest one is valid.
 *
 * Spec: distribution-spec v1.1, "Pushing blobs"
 *
 * @module
 */
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { checkTarget } from './endpoint.js'
import type { Patience } from './patience.js'
import { resolveLocation } from './redirects.js'
import type { Session } from './session.js'
import type { HttpResponse } from './transport.js'

const GONE = [400, 403, 404, 405, 410, 416]

/** The purpose of a request, and its time limit. */
export interface UploadAttempt {
  /** For messages. */
  readonly action: string
  readonly patience: Patience
}

/** An upload that has begun. */
export interface UploadSession {
  /** The address at which the upload goes on. It may contain secrets. */
  readonly target: URL
  /** Bytes that the registry has. */
  readonly offset: number
  /** The fewest bytes of a chunk, except for the last one. */
  readonly minChunk: number
}

/** @throws ToolError `UPLOAD_INVALID`, `ADDRESS_REFUSED`; those of a refusal */
export async function startUpload(session: Session, attempt: UploadAttempt): Promise<UploadSession> {
  const { action, patience } = attempt
  const response = await session.once({
    patience,
    method: 'POST',
    target: 'blobs/uploads/',
    headers: { 'content-length': '0' },
    actions: ['pull', 'push'],
    expect: [202],
    action,
  })
  response.body.cancel()
  const target = nextTarget(response, session)
  if (target === undefined) {
    const message = `cannot ${action}: the registry opened an upload without a Location`
    throw new ToolError('UPLOAD_INVALID', message)
  }
  const minimum = response.header('oci-chunk-min-length') ?? ''
  return { target, offset: 0, minChunk: /^\d{1,12}$/.test(minimum) ? Number(minimum) : 0 }
}

/** The state of an upload; undefined when the registry no longer has it. */
export async function findUpload(
  session: Session,
  { action, patience }: UploadAttempt,
  upload: Pick<UploadSession, 'target' | 'minChunk'>,
): Promise<UploadSession | undefined> {
  const { target, minChunk } = upload
  const response = await session.once({
    patience,
    method: 'GET',
    target,
    actions: ['pull', 'push'],
    expect: [200, 202, 204, ...GONE],
    action,
  })
  response.body.cancel()
  const offset = takenBytes(response)
  if (GONE.includes(response.status) || offset === undefined) return undefined
  return { target: nextTarget(response, session) ?? target, offset, minChunk }
}

/** Cancels an upload. The answer is ignored, since a registry drops abandoned uploads in any case. */
export async function cancelUpload(session: Session, target: URL): Promise<void> {
  const response = await session.request({
    method: 'DELETE',
    target,
    actions: ['pull', 'push'],
    expect: [200, 202, 204, 400, 401, 403, 404, 405],
    action: 'cancel an upload',
  })
  response.body.cancel()
}

/** The checked address at which an upload goes on; undefined when the answer has none. */
export function nextTarget(response: HttpResponse, session: Session): URL | undefined {
  const location = response.header('location')
  if (location === undefined) return undefined
  return checkTarget(resolveLocation(location, response.url), session.registry)
}

/**
 * The number of bytes that the registry has, by its Range header. `0-0` counts as none, since nobody sends a single
 * byte.
 */
export function takenBytes(response: Pick<HttpResponse, 'header'>): number | undefined {
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.header('range')?.trim() ?? '')?.[1]
  if (last === undefined) return undefined
  return last === '0' ? 0 : Number(last) + 1
}

/** The address that ends an upload. The existing query is kept as it is written, since it may be signed. */
export function withDigest(target: URL, digest: Digest): URL {
  const url = new URL(target)
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`
  return url
}
