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
import type { Subject } from './registry.js'
import type { RepositoryStorage } from './storage.js'

const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/**
 * `GET` and `HEAD /v2/NAME/manifests/REFERENCE`: the bytes as they were put, whatever the client accepts.
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
 * `PUT /v2/NAME/manifests/REFERENCE`. What it names must be there, in the size it says, its subject excepted.
 *
 * Spec: distribution-spec v1.1, "Pushing Manifests", "Pushing Manifests with Subject".
 */
export async function putManifest({ registry, exchange, name, item }: Subject): Promise<void> {
  const asDigest = item.includes(':') ? parseDigest(item) : undefined
  if (asDigest === undefined && !isTag(item))
    throw new ToolError('TAG_INVALID', `not a tag: ${JSON.stringify(item)}`)
  const bytes = await exchange.document(MAX_DOCUMENT)
  const document = parseManifest(bytes, { mediaType: simpleType(exchange.header('content-type')) })
  const digest = digestOf(bytes, asDigest === undefined ? 'sha256' : algorithmOf(asDigest))
  if (asDigest !== undefined && asDigest !== digest)
    throw new ToolError('DIGEST_MISMATCH', `the manifest is ${digest}, not ${asDigest}`)
  const repository = registry.storage.repository(name)
  checkContent(repository, document)
  const children = document.kind === 'index' ? document.manifests.map(entry => entry.digest) : []
  const { mediaType, subject } = document
  const tag = asDigest === undefined ? { tag: item } : {}
  await exchange.patiently(() => repository.putManifest({ digest, mediaType, bytes, children, ...tag }))
  exchange.send(201, {
    Location: `/v2/${name}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    ...(subject !== undefined && { 'OCI-Subject': subject.digest }),
  })
}

/** `DELETE /v2/NAME/manifests/REFERENCE`: of a tag the tag, of a digest the manifest and its tags. */
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

// Layers that may not be distributed stay where their URLs say.
function isElsewhere({ mediaType, urls }: Descriptor): boolean {
  return (urls?.length ?? 0) > 0 && /nondistributable|foreign/.test(parseLayerType(mediaType)?.base ?? '')
}

// A folder may hold manifests that we would not take ourselves; they are served as what they say they are.
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
