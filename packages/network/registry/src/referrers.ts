import { digestOf, parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, MEDIA_TYPES, parseManifest } from '@pipelayer/oci'
import { pages } from './listing.js'
import { type FetchedManifest, getManifest, putManifest } from './manifests.js'
import type { Session } from './session.js'

/** The most referrers of a manifest. More of them are an attack. */
const MAX_REFERRERS = 10_000

/**
 * The manifests that refer to a manifest as their `subject`, such as signatures and SBOMs. For a registry without the
 * API the list is under the tag `sha256-HEX`. A missing list counts as empty. Repeated descriptors are returned once.
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
      // A registry need not filter, so the list is filtered here as well.
      if (artifactType === undefined || entry.artifactType === artifactType) found.set(entry.digest, entry)
    }
    if (found.size > MAX_REFERRERS) {
      throw new ToolError('LISTING_ENDLESS', `${subject} has more than ${MAX_REFERRERS} referrers`)
    }
  }
  return [...found.values()]
}

/**
 * Puts a manifest. When it has a subject, and the registry does not list its referrers itself, it is added to the list
 * under the tag, as other clients do it. Where two do that at the same time, one entry may be lost.
 *
 * Spec: distribution-spec v1.1, "Pushing Manifests with Subject".
 */
export async function putWithSubject(
  session: Session,
  reference: string,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
): Promise<void> {
  const isListed = await putManifest(session, reference, manifest)
  const { mediaType } = manifest
  const bytes = Buffer.from(manifest.bytes)
  if (isListed || !bytes.includes('"subject"')) return
  const document = parseManifest(bytes, { mediaType })
  const { subject, annotations } = document
  if (subject === undefined) return
  const config = document.kind === 'manifest' ? document.config.mediaType : undefined
  const artifactType = document.artifactType ?? config
  const digest = digestOf(bytes)
  const manifests = (await tagged(session, subject.digest)).filter(entry => entry.digest !== digest)
  const more = { ...(artifactType && { artifactType }), ...(annotations && { annotations }) }
  const entries = [...manifests, { mediaType, digest, size: bytes.length, ...more }]
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries }
  const list = { bytes: Buffer.from(JSON.stringify(index)), mediaType: MEDIA_TYPES.ociIndex }
  await putManifest(session, referrersTag(subject.digest), list)
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
