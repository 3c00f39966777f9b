/**
 * Decides what is garbage. Nothing here touches a disk, apart from documents, which are read through a reader.
 *
 * @module
 */
import type {
  BlobFile,
  CacheUnit,
  DocumentLinks,
  DocumentReader,
  Leftover,
  Link,
} from '@pipelayer/collection'
import { reach } from '@pipelayer/collection'
import { ToolError } from '@pipelayer/errors'
import type { GarbageRecord } from '@pipelayer/records'
import { type CacheRules, unusedUnits } from './cache-plan.js'
import { namersFirst } from './order.js'

/** What a store holds. */
export interface Survey {
  /** The entries of index.json. */
  readonly roots: readonly Link[]
  /** Indexes that prove what a name of index.json may stand for. Their manifests are not needed for that. */
  readonly proofs: readonly string[]
  readonly reader: DocumentReader
  readonly blobs: readonly BlobFile[]
  readonly units: readonly CacheUnit[]
  readonly leftovers: readonly Leftover[]
}

/** Something to be removed. */
export interface Garbage {
  readonly kind: GarbageRecord['kind']
  readonly reason: GarbageRecord['reason']
  readonly digest?: string
  /** Absolute; all of them go together. */
  readonly paths: readonly string[]
  /** Bytes of disk, where they are known without a search. */
  readonly diskBytes?: number
}

export interface Plan {
  /** In the order in which it is to be removed, so that nothing ever names what is gone. */
  readonly garbage: readonly Garbage[]
  /** Manifests that cannot be read. Because nobody knows what they need, no blob is garbage while there are any. */
  readonly faults: readonly ToolError[]
}

/** @param rules - what is too young, and how much of the build cache is to stay */
export function planGarbage(survey: Survey, rules: CacheRules): Plan {
  const { roots, reader, blobs, units } = survey
  const links = (link: Link): DocumentLinks | ToolError | undefined => reader.links(link)
  const { links: live, broken } = reach(roots, links)
  for (const digest of survey.proofs)
    if (!live.has(digest)) live.set(digest, { digest, size: 0, mediaType: '' })
  const damaged = new Set(
    survey.leftovers.flatMap(({ kind, digest }) => (kind === 'damaged' ? [digest] : [])),
  )
  const faults = broken.flatMap(({ link, error, isRoot }) => {
    // Of an index, only the manifests of some platforms need to be there.
    if (error === undefined && !isRoot && !damaged.has(link.digest)) return []
    return [faultOf(link, error)]
  })
  const sizes = new Map(blobs.map(({ digest, diskBytes }) => [digest, live.has(digest) ? 0 : diskBytes]))
  const unused = unusedUnits(units, { ...rules, blobBytes: digest => sizes.get(digest) ?? 0 })
  const kept = units.filter(unit => !unused.has(unit)).flatMap(({ digests }) => digests)
  return {
    garbage: [
      ...[...unused].map(([{ kind, paths }, reason]) => ({ kind, paths, reason })),
      ...leftoverGarbage(survey.leftovers, rules),
      ...(faults.length > 0 ? [] : blobGarbage({ ...survey, live, kept: new Set(kept) }, rules)),
    ],
    faults,
  }
}

function faultOf({ digest }: Link, error: ToolError | undefined): ToolError {
  const why = error === undefined ? 'it is missing' : error.message
  return new ToolError(
    error === undefined ? 'MANIFEST_MISSING' : 'MANIFEST_DAMAGED',
    `cannot tell which blobs the manifest ${digest} needs, so no blob is removed: ${why}`,
  )
}

function leftoverGarbage(found: readonly Leftover[], { nowMs, minAgeMs }: CacheRules): Garbage[] {
  return found.flatMap(({ kind, path, digest, usedMs, isOrphan }) => {
    if (!isOrphan && usedMs > nowMs - minAgeMs) return []
    const reason = isOrphan ? ('left-behind' as const) : ('unused' as const)
    return [{ kind, reason, paths: [path], ...(digest === undefined ? {} : { digest }) }]
  })
}

interface Blobs extends Survey {
  /** What is reached from the index. What else must stay is added. */
  readonly live: Map<string, Link>
  /** What the rest of the build cache needs. */
  readonly kept: ReadonlySet<string>
}

/** Documents come first, each before those that it names. */
function blobGarbage({ blobs, reader, live, kept }: Blobs, { nowMs, minAgeMs }: CacheRules): Garbage[] {
  const isYoung = ({ usedMs }: BlobFile): boolean => usedMs > nowMs - minAgeMs
  const documents = new Map<string, DocumentLinks>()
  const lost = blobs.filter(({ digest }) => !live.has(digest))
  for (const { digest } of lost) {
    const found = reader.linksIfDocument(digest)
    if (found !== undefined) documents.set(digest, found)
  }
  const keep = (digest: string): void => {
    const link = { digest, size: 0, mediaType: '' }
    reach([link], each => documents.get(each.digest) ?? reader.links(each), live)
  }
  // A manifest that was written lately may be about to get its name.
  for (const blob of lost) if (isYoung(blob) && documents.has(blob.digest)) keep(blob.digest)
  keepReferrers(documents, live, keep)
  const garbage = lost.filter(blob => !live.has(blob.digest) && !kept.has(blob.digest) && !isYoung(blob))
  const namedBy = (digest: string): string[] =>
    (documents.get(digest)?.documents ?? []).map(link => link.digest).filter(each => documents.has(each))
  const ordered = namersFirst(documents.keys(), namedBy)
  const places = new Map(ordered.map((digest, place) => [digest, place]))
  const placeOf = ({ digest }: BlobFile): number => places.get(digest) ?? documents.size
  return garbage
    .toSorted((a, b) => placeOf(a) - placeOf(b))
    .map(({ digest, path, diskBytes }) => ({
      kind: 'blob',
      reason: 'unreferenced',
      digest,
      paths: [path],
      diskBytes,
    }))
}

/** Signatures and the like stay as long as what they are about. They may have referrers of their own. */
function keepReferrers(
  documents: ReadonlyMap<string, DocumentLinks>,
  live: ReadonlyMap<string, unknown>,
  keep: (digest: string) => void,
): void {
  const bySubject = new Map<string, string[]>()
  for (const [digest, { subject }] of documents) {
    if (subject === undefined) continue
    const referrers = bySubject.get(subject) ?? []
    bySubject.set(subject, referrers)
    referrers.push(digest)
  }
  // What `keep` adds to a map is visited by this loop as well.
  for (const digest of live.keys()) for (const referrer of bySubject.get(digest) ?? []) keep(referrer)
}
