import { type Digest, parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, type Index, type Manifest, MEDIA_TYPES, parseManifest } from '@pipelayer/oci'
import { nextLink } from './pages.js'
import type { Subject } from './registry.js'
import type { RepositoryStorage } from './storage.js'

/** Descriptors of one answer at most. */
const MAX_ENTRIES = 500
/** Manifests that are remembered; each is a few hundred bytes. */
const MAX_KNOWN = 100_000

interface Referrer {
  readonly subject: Digest
  readonly descriptor: Descriptor
}

/**
 * What each manifest refers to. A manifest never changes, so it is read once; whether it is still there is asked
 * each time.
 */
export class ReferrerCache {
  readonly #known = new Map<Digest, Referrer | undefined>()

  /** The manifests of a repository that have this subject, in order of their digests. */
  async of(repository: RepositoryStorage, subject: Digest): Promise<Descriptor[]> {
    const found: Descriptor[] = []
    for (const digest of repository.manifests()) {
      const referrer = await this.#referrer(repository, digest)
      if (referrer?.subject === subject) found.push(referrer.descriptor)
    }
    return found.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  }

  async #referrer(repository: RepositoryStorage, digest: Digest): Promise<Referrer | undefined> {
    if (this.#known.has(digest)) return this.#known.get(digest)
    if (!repository.hasManifest(digest)) return undefined
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    const referrer = await readReferrer(repository, digest)
    this.#known.set(digest, referrer)
    return referrer
  }
}

/**
 * `GET /v2/NAME/referrers/DIGEST`: an index of what refers to the digest, empty where nothing does; `NAME_UNKNOWN`
 * where there is no such repository.
 *
 * Spec: distribution-spec v1.1, "Listing Referrers".
 */
export async function getReferrers({ registry, exchange, name, item }: Subject): Promise<void> {
  const digest = parseDigest(item)
  const artifactType = exchange.query.get('artifactType') || undefined
  const last = exchange.query.get('last') ?? ''
  const repository = registry.storage.repository(name)
  const all = await registry.referrers.of(repository, digest)
  if (all.length === 0 && !repository.exists() && !repository.hasManifest(digest))
    throw new ToolError('NAME_UNKNOWN', `there is no repository ${name}`)
  const rest = all.filter(
    entry => entry.digest > last && (artifactType === undefined || entry.artifactType === artifactType),
  )
  const manifests = rest.slice(0, MAX_ENTRIES)
  const end = manifests.at(-1)
  const filter = artifactType === undefined ? {} : { artifactType }
  const more =
    rest.length > manifests.length && end !== undefined
      ? { Link: nextLink(`/v2/${name}/referrers/${digest}`, { ...filter, last: end.digest }) }
      : {}
  exchange.sendJSON(
    { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests },
    {
      'Content-Type': MEDIA_TYPES.ociIndex,
      ...(artifactType !== undefined && { 'OCI-Filters-Applied': 'artifactType' }),
      ...more,
    },
  )
}

// A manifest that cannot be read refers to nothing.
async function readReferrer(repository: RepositoryStorage, digest: Digest): Promise<Referrer | undefined> {
  try {
    const bytes = await repository.manifest(digest)
    const document = parseManifest(bytes)
    const { subject, mediaType, annotations } = document
    if (subject === undefined) return undefined
    const artifactType = artifactTypeOf(document)
    const descriptor = {
      mediaType,
      digest,
      size: bytes.length,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations !== undefined && { annotations }),
    }
    return { subject: subject.digest, descriptor }
  } catch {
    return undefined
  }
}

function artifactTypeOf(document: Manifest | Index): string | undefined {
  if (document.artifactType) return document.artifactType
  return document.kind === 'manifest' ? document.config.mediaType : undefined
}
