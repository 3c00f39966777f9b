import { parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, MEDIA_TYPES, parseManifest } from '@pipelayer/oci'
import { pages } from './listing.js'
import { type FetchedManifest, getManifest } from './manifests.js'
import type { Session } from './session.js'

/** More of them are an attack. */
const MAX_REFERRERS = 10_000

/**
 * What refers to a manifest as its `subject`: signatures, SBOMs. A registry without the API keeps the list under the
 * tag `sha256-HEX`. A list that is not there is empty. Repeated descriptors come once.
 *
 * Spec: distribution-spec v1.1, "Listing Referrers" and "Unavailable Referrers API".
 *
 * @throws ToolError `MANIFEST_INVALID`, `LISTING_ENDLESS`; those of a refusal
 */
export async function listReferrers(
  session: Session,
  subject: string,
  artifactType?: string,
): Promise<readonly Descriptor[]> {
  const found = new Map<string, Descriptor>()
  for await (const entries of lists(session, parseDigest(subject))) {
    for (const entry of entries) {
      // A registry need not filter; one that has filtered already loses nothing.
      if (artifactType === undefined || entry.artifactType === artifactType) found.set(entry.digest, entry)
    }
    if (found.size > MAX_REFERRERS) {
      throw new ToolError('LISTING_ENDLESS', `${subject} has more than ${MAX_REFERRERS} referrers`)
    }
  }
  return [...found.values()]
}

async function* lists(session: Session, subject: string): AsyncGenerator<readonly Descriptor[]> {
  const action = `list the referrers of ${session.domain}/${session.path}@${subject}`
  const request = { target: `referrers/${subject}`, actions: ['pull'], expect: [200, 404], action } as const
  const headers = { accept: MEDIA_TYPES.ociIndex, 'accept-encoding': 'identity' }
  for await (const { response, bytes } of pages(session, { ...request, headers })) {
    if (response.status === 404) return yield await tagged(session, subject)
    const document = parseManifest(bytes, { mediaType: MEDIA_TYPES.ociIndex })
    yield document.kind === 'index' ? document.manifests : []
  }
}

async function tagged(session: Session, subject: string): Promise<readonly Descriptor[]> {
  const found = await existing(session, referrersTag(subject))
  return found?.document.kind === 'index' ? found.document.manifests : []
}

/** The tag that stands for the referrers API: `sha256-HEX`, cut as the specification says. */
export function referrersTag(digest: string): string {
  const [algorithm = '', encoded = ''] = digest.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`
}

async function existing(session: Session, tag: string): Promise<FetchedManifest | undefined> {
  try {
    return await getManifest(session, tag)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (error instanceof ToolError && (code === 'MANIFEST_UNKNOWN' || code === 'NAME_UNKNOWN'))
      return undefined
    throw error
  }
}
