import { parseDigest } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { nextLink } from './pages.js'
import type { Subject } from './registry.js'

/** The most descriptors of one answer. */
const MAX_ENTRIES = 500

/**
 * `GET /v2/NAME/referrers/DIGEST`: sends an index of the manifests that refer to the digest. It is empty where there
 * are none, and also where the repository does not exist, since a client asks before it pushes the first image.
 *
 * Spec: distribution-spec v1.1, "Listing Referrers".
 */
export async function getReferrers({ registry, exchange, name, item }: Subject): Promise<void> {
  const digest = parseDigest(item)
  const artifactType = exchange.query.get('artifactType') || undefined
  const last = exchange.query.get('last') ?? ''
  const repository = registry.storage.repository(name)
  const all = await registry.referrers.of(repository, digest)
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
