/**
 * Decides what is garbage in the folder of a registry. Nothing here touches a disk, apart from documents, which are read
 * through a reader.
 *
 * @module
 */
import { type DocumentReader, type Link, reach } from '@pipelayer/collection'
import type { FolderBlob, Found, RepositoryContents } from '@pipelayer/distribution-folder'
import { ToolError } from '@pipelayer/errors'
import { MEDIA_TYPES } from '@pipelayer/oci'
import type { GarbageRecord } from '@pipelayer/records'

/** What a folder holds. */
export interface FolderSurvey {
  readonly repositories: readonly RepositoryContents[]
  readonly blobs: readonly FolderBlob[]
  readonly temporaries: readonly (Found & { readonly isOrphan: boolean })[]
  readonly reader: DocumentReader
}

export interface FolderRules {
  readonly nowMs: number
  /** What was written in this time stays, and so does what such a manifest names. */
  readonly minAgeMs: number
  /** Manifests go to which no tag of their repository leads. */
  readonly deleteUntagged: boolean
}

/** Something to be removed: its folders, or the file of a blob. */
export interface FolderGarbage {
  readonly kind: GarbageRecord['kind']
  readonly reason: GarbageRecord['reason']
  readonly digest?: string
  readonly found: Found
  /** Folders that go with it. */
  readonly also: readonly string[]
}

export interface FolderPlan {
  /** In the order in which it is to be removed: what names something goes before it. */
  readonly garbage: readonly FolderGarbage[]
  /** Manifests and tags that cannot be read. */
  readonly faults: readonly ToolError[]
}

type Wanted = Map<string, Link>

export function planFolder(survey: FolderSurvey, rules: FolderRules): FolderPlan {
  const faults: ToolError[] = []
  const live: Wanted = new Map()
  const manifests: FolderGarbage[] = []
  for (const repository of survey.repositories) {
    if (rules.deleteUntagged && repository.tagFault !== undefined) faults.push(repository.tagFault)
    const kept = keptIn(repository, survey.reader, rules)
    faults.push(...kept.faults)
    for (const [digest, link] of kept.links) live.set(digest, link)
    for (const revision of repository.revisions)
      if (!kept.links.has(revision.digest)) manifests.push(untagged(revision, repository))
  }
  const rest = [...uploadGarbage(survey, rules), ...temporaryGarbage(survey, rules)]
  // Nobody knows what a manifest needs that cannot be read, so nothing that it may need goes.
  if (faults.length > 0) return { garbage: rest, faults }
  return { garbage: [...manifests, ...blobGarbage(survey, live, rules), ...rest], faults }
}

function keptIn(
  repository: RepositoryContents,
  reader: DocumentReader,
  rules: FolderRules,
): { readonly links: Wanted; readonly faults: ToolError[] } {
  const { revisions, tagged, tagFault } = repository
  const all = !rules.deleteUntagged || tagFault !== undefined
  const links: Wanted = new Map()
  const faults: ToolError[] = []
  const keep = (roots: readonly FolderBlob[]): void => {
    const { broken } = reach(
      roots.map(({ digest }) => asManifest(digest)),
      link => reader.links(link),
      links,
    )
    // Of an index, only the manifests of some platforms need to be there.
    for (const { link, error, isRoot } of broken)
      if (error !== undefined || isRoot) faults.push(faultOf(link, error, repository))
  }
  keep(revisions.filter(revision => all || tagged.has(revision.digest) || isYoung(revision, rules)))
  // Signatures and the like stay with what they are about, and may have some of their own.
  for (let isMore = true; isMore; ) {
    const referrers = revisions.filter(({ digest }) => {
      const subject = links.has(digest) ? undefined : subjectOf(digest, reader)
      return subject !== undefined && links.has(subject)
    })
    keep(referrers)
    isMore = referrers.length > 0
  }
  return { links, faults }
}

function subjectOf(digest: string, reader: DocumentReader): string | undefined {
  const found = reader.links(asManifest(digest))
  return found === undefined || found instanceof ToolError ? undefined : found.subject
}

// A revision is a manifest or an index, whatever its type is, so that what is no JSON is a fault.
function asManifest(digest: string): Link {
  return { digest, size: 0, mediaType: MEDIA_TYPES.ociManifest }
}

function faultOf(
  { digest }: Link,
  error: ToolError | undefined,
  { name, revisions }: RepositoryContents,
): ToolError {
  const why = error === undefined ? 'its content is missing' : error.message
  const link = revisions.find(revision => revision.digest === digest)
  const hint = `put it again, or remove ${link === undefined ? 'what names it' : `"${link.path}"`}`
  const text = `cannot tell what the manifest ${digest} of ${name} needs, so no blob is removed: ${why}; ${hint}`
  return new ToolError(error === undefined ? 'MANIFEST_MISSING' : 'MANIFEST_DAMAGED', text)
}

function untagged(revision: FolderBlob, { remembering }: RepositoryContents): FolderGarbage {
  const { digest } = revision
  return { kind: 'manifest', reason: 'untagged', digest, found: revision, also: remembering(digest) }
}

/** Links to a blob go before it. A link to a blob that is gone goes, too. */
function blobGarbage(
  { repositories, blobs, reader }: FolderSurvey,
  live: Wanted,
  rules: FolderRules,
): FolderGarbage[] {
  const linked = new Map<string, number>()
  const links = repositories.flatMap(({ layers }) => layers)
  for (const { digest, usedMs } of links) linked.set(digest, Math.max(usedMs, linked.get(digest) ?? 0))
  const lost = blobs.filter(({ digest }) => !live.has(digest))
  const young = lost.filter(
    blob => isYoung(blob, rules) || isYoung({ usedMs: linked.get(blob.digest) ?? 0 }, rules),
  )
  // A manifest that was written lately may be about to get its link.
  for (const { digest } of young) {
    const document = reader.linksIfDocument(digest)
    if (document === undefined) live.set(digest, asManifest(digest))
    else reach([asManifest(digest)], link => reader.links(link), live)
  }
  const gone = lost.filter(({ digest }) => !live.has(digest))
  const there = new Set(blobs.map(({ digest }) => digest))
  for (const { digest } of gone) there.delete(digest)
  const dangling = links.filter(link => !there.has(link.digest) && !isYoung(link, rules))
  const one = (kind: 'link' | 'blob', found: FolderBlob): FolderGarbage => {
    return { kind, reason: 'unreferenced', digest: found.digest, found, also: [] }
  }
  return [...dangling.map(link => one('link', link)), ...gone.map(blob => one('blob', blob))]
}

function uploadGarbage({ repositories }: FolderSurvey, rules: FolderRules): FolderGarbage[] {
  return repositories
    .flatMap(({ uploads }) => uploads)
    .filter(upload => !isYoung(upload, rules))
    .map(found => ({ kind: 'upload', reason: 'unused', found, also: [] }))
}

function temporaryGarbage({ temporaries }: FolderSurvey, rules: FolderRules): FolderGarbage[] {
  return temporaries
    .filter(found => found.isOrphan || !isYoung(found, rules))
    .map(found => {
      const reason = found.isOrphan ? 'left-behind' : 'unused'
      return { kind: 'temporary', reason, found, also: [] }
    })
}

function isYoung({ usedMs }: { readonly usedMs: number }, { nowMs, minAgeMs }: FolderRules): boolean {
  return usedMs > nowMs - minAgeMs
}
