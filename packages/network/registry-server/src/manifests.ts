import { algorithmOf, type Digest, digestOf, isDigest, parseDigest } from '@pipelayer/digest'
import { isTag } from '@pipelayer/distribution-folder'
import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  type Index,
  isIndexType,
  isManifestType,
  MAX_DOCUMENT,
  type Manifest,
  parseLayerType,
  parseManifest,
} from '@pipelayer/oci'
import type { Exchange } from './exchange.js'
import type { Subject } from './registry.js'
import type { RepositoryStorage } from './storage.js'

const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/**
 * `GET` and `HEAD /v2/NAME/manifests/REFERENCE`: sends the bytes as they were put, whatever the client accepts.
 *
 * Spec: distribution-spec v1.1, "Pulling manifests".
 */
export async function getManifest({ registry, exchange, name, item }: Subject): Promise<void> {
  const repository = registry.storage.repository(name)
  const digest = digestFor(repository, item)
  if (digest === undefined || !repository.hasManifest(digest)) throw unknownManifest(name, item)
  const bytes = await repository.manifest(digest)
  const headers = {
    'Content-Type': mediaTypeOf(bytes),
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
  }
  if (exchange.isKnown(digest)) exchange.send(304, headers)
  else exchange.send(200, headers, bytes)
}

/**
 * `PUT /v2/NAME/manifests/REFERENCE`. All blobs and manifests that it names, except its subject, must exist with the
 * stated size.
 *
 * Where REFERENCE is a tag, the parameter `digest` states the digest that the manifest must have, and with it the
 * algorithm. Where it is a digest, each parameter `tag` adds a tag, and the header `OCI-Tag` of the answer lists those
 * that were set.
 *
 * Spec: distribution-spec v1.1, "Pushing Manifests", "Pushing Manifests with Subject"; the parameters are those of its
 * later drafts.
 */
export async function putManifest({ registry, exchange, name, item }: Subject): Promise<void> {
  const { tags, asked, expected } = namesFor(exchange, item)
  const bytes = await exchange.document(MAX_DOCUMENT)
  const document = parseManifest(bytes, { mediaType: simpleType(exchange.header('content-type')) })
  const digest = digestOf(bytes, expected === undefined ? 'sha256' : algorithmOf(expected))
  if (expected !== undefined && expected !== digest)
    throw new ToolError('DIGEST_MISMATCH', `the manifest is ${digest}, not ${expected}`)
  const repository = registry.storage.repository(name)
  checkContent(repository, document)
  const children = document.kind === 'index' ? document.manifests.map(entry => entry.digest) : []
  const { mediaType, subject } = document
  await exchange.patiently(() => repository.putManifest({ digest, mediaType, bytes, children, tags }))
  if (asked.length > 0) exchange.response.setHeader('OCI-Tag', asked)
  exchange.send(201, {
    Location: `/v2/${name}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    ...(subject !== undefined && { 'OCI-Subject': subject.digest }),
  })
}

// The tags that a manifest gets, `asked` by parameters and `tags` in all, and the digest that it must have.
function namesFor(
  { query }: Exchange,
  item: string,
): {
  readonly tags: readonly string[]
  readonly asked: readonly string[]
  readonly expected: Digest | undefined
} {
  const isDigestGiven = item.includes(':')
  const asked = [...new Set(query.getAll('tag'))]
  const tags = isDigestGiven ? asked : [...new Set([item, ...asked])]
  const wrong = tags.find(tag => !isTag(tag))
  if (wrong !== undefined)
    throw new ToolError('TAG_INVALID', `not a tag: ${JSON.stringify(wrong.slice(0, 300))}`)
  const digests = [...(isDigestGiven ? [item] : []), ...query.getAll('digest')].map(parseDigest)
  const [expected] = digests
  const other = digests.find(digest => digest !== expected)
  if (other !== undefined)
    throw new ToolError('DIGEST_MISMATCH', `one manifest cannot be both ${expected} and ${other}`)
  return { tags, asked, expected }
}

/** `DELETE /v2/NAME/manifests/REFERENCE`: deletes a tag, or by a digest the manifest and its tags. */
export async function deleteManifest({ registry, exchange, name, item }: Subject): Promise<void> {
  const repository = registry.storage.repository(name)
  const isGone = item.includes(':')
    ? await repository.deleteManifest(parseDigest(item))
    : isTag(item) && (await repository.deleteTag(item))
  if (!isGone) throw unknownManifest(name, item)
  exchange.send(202, {})
}

function digestFor(repository: RepositoryStorage, reference: string): Digest | undefined {
  if (reference.includes(':')) return parseDigest(reference)
  return isTag(reference) ? repository.resolve(reference) : undefined
}

function unknownManifest(name: string, reference: string): ToolError {
  const shown = JSON.stringify(reference.slice(0, 300))
  return new ToolError('MANIFEST_UNKNOWN', `there is no manifest ${shown} in repository ${name}`)
}

function checkContent(repository: RepositoryStorage, document: Manifest | Index): void {
  const needed =
    document.kind === 'index'
      ? document.manifests.filter(({ mediaType }) => isManifestType(mediaType) || isIndexType(mediaType))
      : [...document.layers.filter(layer => !isElsewhere(layer)), document.config]
  for (const descriptor of needed) {
    const { digest } = descriptor
    const isThere =
      isDigest(digest) &&
      (document.kind === 'index' ? repository.hasManifest(digest) : hasBlob(repository, descriptor))
    if (isThere) continue
    const what = document.kind === 'index' ? 'manifest' : 'blob'
    throw new ToolError(
      'MANIFEST_BLOB_UNKNOWN',
      `the ${what} ${digest} is not in repository ${repository.name}`,
    )
  }
}

function hasBlob(repository: RepositoryStorage, { digest, size }: Descriptor): boolean {
  const stored = repository.blob(digest)
  if (stored === undefined || stored.size === size) return stored !== undefined
  throw new ToolError(
    'MANIFEST_INVALID',
    `the manifest says that ${digest} has ${size} bytes, it has ${stored.size}`,
  )
}

// True for layers that may not be distributed, which clients get from their URLs.
function isElsewhere({ mediaType, urls }: Descriptor): boolean {
  return (urls?.length ?? 0) > 0 && /nondistributable|foreign/.test(parseLayerType(mediaType)?.base ?? '')
}

// A folder may hold manifests that this server would not accept; they are served with the type that they state.
function mediaTypeOf(bytes: Buffer): string {
  try {
    return parseManifest(bytes).mediaType
  } catch {
    return declaredType(bytes) ?? 'application/octet-stream'
  }
}

function declaredType(bytes: Buffer): string | undefined {
  try {
    const { mediaType } = JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown }
    return typeof mediaType === 'string' && MEDIA_TYPE.test(mediaType) ? mediaType : undefined
  } catch {
    return undefined
  }
}

function simpleType(header: string | undefined): string | undefined {
  return header?.split(';', 1)[0]?.trim()
}
