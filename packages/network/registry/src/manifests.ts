import { algorithmOf, checkContent, type Digest, digestOf, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  type Index,
  isIndexType,
  isManifestType,
  MANIFEST_TYPES,
  MAX_DOCUMENT,
  type Manifest,
  parseManifest,
} from '@pipelayer/oci'
import { withRetries } from './retry.js'
import type { Session } from './session.js'
import type { HttpResponse } from './transport.js'

/** A manifest or an index with its bytes in the registry. */
export interface FetchedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
  readonly document: Manifest | Index
}

/**
 * Fetches a manifest. Its digest is computed from the bytes and, when asked for by digest, compared with that: no
 * header is trusted.
 *
 * @param reference - a tag or a digest
 * @throws ToolError `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `UNAUTHORIZED`, `DENIED`; `DIGEST_MISMATCH`,
 * `DOCUMENT_TOO_LARGE`; those of `parseManifest`; status 75 for a registry that does not answer
 */
export async function getManifest(session: Session, reference: string): Promise<FetchedManifest> {
  const action = `get manifest ${nameOf(session, reference)}`
  const { response, bytes } = await withRetries(session.retry, async (_attempt, patience) => {
    const response = await session.once({
      patience,
      method: 'GET',
      target: `manifests/${reference}`,
      headers: { accept: MANIFEST_TYPES.join(', '), 'accept-encoding': 'identity' },
      actions: ['pull'],
      expect: [200],
      action,
      notFound: 'MANIFEST_UNKNOWN',
    })
    return { response, bytes: await response.body.bytes(MAX_DOCUMENT) }
  })
  if (bytes === undefined) {
    throw new ToolError('DOCUMENT_TOO_LARGE', `cannot ${action}: it has more than ${MAX_DOCUMENT} bytes`)
  }
  return read(bytes, response, { session, reference, action })
}

/** Asks whether there is a manifest; undefined means that there is none. The fields of the answer are hints. */
export async function headManifest(
  session: Session,
  reference: string,
): Promise<Partial<Descriptor> | undefined> {
  const response = await session.request({
    method: 'HEAD',
    target: `manifests/${reference}`,
    headers: { accept: MANIFEST_TYPES.join(', ') },
    actions: ['pull'],
    expect: [200, 404],
    action: `look for manifest ${nameOf(session, reference)}`,
  })
  response.body.cancel()
  if (response.status === 404) return undefined
  const digest = response.header('docker-content-digest')
  const mediaType = mediaTypeOf(response)
  return { ...(isDigest(digest) && { digest }), ...(mediaType !== undefined && { mediaType }) }
}

/**
 * Puts a manifest, byte for byte. All blobs and manifests that it names must have been put before. Putting the same one
 * again is harmless.
 *
 * @param reference - a tag or the manifest's digest
 * @returns true when the registry lists it among the referrers of its subject
 * @throws ToolError `DIGEST_MISMATCH` when the registry states another digest than that of the bytes; those of a
 * refusal
 */
export async function putManifest(
  session: Session,
  reference: string,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
): Promise<boolean> {
  const action = `put manifest ${nameOf(session, reference)}`
  const response = await session.request({
    method: 'PUT',
    target: `manifests/${reference}`,
    headers: { 'content-type': manifest.mediaType, 'content-length': String(manifest.bytes.length) },
    body: manifest.bytes,
    actions: ['pull', 'push'],
    expect: [201],
    action,
  })
  response.body.cancel()
  const isListed = response.header('oci-subject') !== undefined
  const kept = response.header('docker-content-digest')
  if (!isDigest(kept)) return isListed
  const digest = digestOf(manifest.bytes, algorithmOf(kept))
  if (kept === digest) return isListed
  throw new ToolError('DIGEST_MISMATCH', `cannot ${action}: put ${digest}, the registry keeps ${kept}`)
}

interface ReadOptions {
  readonly session: Session
  readonly reference: string
  readonly action: string
}

function read(
  bytes: Buffer,
  response: HttpResponse,
  { session, reference, action }: ReadOptions,
): FetchedManifest {
  const type = mediaTypeOf(response)
  if (type === 'text/html') {
    throw new ToolError('MANIFEST_INVALID', `cannot ${action}: the answer is a web page, not a manifest`)
  }
  const digest = computed(bytes, reference, action)
  const mediaType = type !== undefined && (isManifestType(type) || isIndexType(type)) ? type : undefined
  const warn = (why: string, code: string): void =>
    session.warn(`${nameOf(session, reference)}: ${why}`, code)
  const document = named(action, () => parseManifest(bytes, { mediaType, warn }))
  return { descriptor: { mediaType: document.mediaType, digest, size: bytes.length }, bytes, document }
}

function computed(bytes: Buffer, reference: string, action: string): Digest {
  if (!isDigest(reference)) return digestOf(bytes)
  const digest = digestOf(bytes, algorithmOf(reference))
  named(action, () => checkContent({ digest: reference }, { digest, size: bytes.length }))
  return digest
}

// Adds to an error about a document which one it is.
function named<T>(action: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, `cannot ${action}: ${error.message}`, {
      cause: error,
      status: error.status,
    })
  }
}

/** The type in a Content-Type header, without parameters. */
export function mediaTypeOf(response: Pick<HttpResponse, 'header'>): string | undefined {
  return simpleType(response.header('content-type') ?? '') || undefined
}

/** `application/json; charset=utf-8` is `application/json`; empty for text that is no media type. */
export function simpleType(contentType: string): string {
  return /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)\s*(?:;|$)/.exec(contentType)?.[1]?.toLowerCase() ?? ''
}

/** @internal */
export function nameOf({ domain, path }: Session, reference: string): string {
  return `${domain}/${path}${isDigest(reference) ? '@' : ':'}${reference}`
}
