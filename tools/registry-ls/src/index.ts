/**
 * registry-ls: lists the images of a registry as references.
 *
 * @module
 */
import { printable } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { type RemoteOptions, sessionOptions } from '@pipelayer/places'
import type { AnyRecord, FailedRecord } from '@pipelayer/records'
import { formatReference, parseNormalized } from '@pipelayer/reference'
import { Registry, Repository } from '@pipelayer/registry'
import { type Filter, filterOf, hasColon, tagFilterOf } from './filter.js'
import { searched, searchSubjectOf } from './search.js'
import { checkSearch, type Subject, subjectOf } from './subject.js'

export interface RegistryLsOptions {
  /** A host, a repository, or an image: see `subject.ts`; empty where Docker Hub is searched. */
  readonly name: string
  /** Look for repositories: see `search.ts`. */
  readonly search?: string | undefined
  /** How many of them at most. */
  readonly limit?: number | undefined
  readonly tags?: boolean
  readonly referrers?: boolean
  readonly artifactType?: string | undefined
  /** A glob and a regular expression; a name is listed if it matches both. */
  readonly filter?: string | undefined
  readonly match?: string | undefined
  readonly remote: RemoteOptions
}

export { searchTable } from './search.js'

const TOOL = 'registry-ls'

/** The form for a terminal: one reference a line; failures are reported on stderr. */
export const LINES = {
  record: ({ reference }: AnyRecord): string =>
    reference === undefined ? '' : `${printable(String(reference))}\n`,
  end: (): string => '',
}

/**
 * Yields `reference` records in the order of the registry, each as soon as its page has come. Memory: one page.
 *
 * An invalid name gives a `failed` record, and so does, with `tags`, a repository that cannot be listed; the listing
 * goes on.
 *
 * @throws ToolError `USAGE` of status 2; `NAME_UNKNOWN`, `CATALOG_UNSUPPORTED`, `LISTING_INVALID`, `LISTING_ENDLESS`,
 * `LINK_INVALID`; those of a refusal
 */
export async function* registryLs(options: RegistryLsOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const { search } = options
  if (search !== undefined) return yield* listFound(options, search)
  const subject = subjectOf(options)
  const { path } = subject
  if (path !== undefined && options.referrers) yield* listReferrers(options, { ...subject, path })
  else if (path !== undefined) yield* listTags(options, { ...subject, path }, filterOf(options))
  else if (options.tags) yield* listAllTags(options, subject.domain)
  else yield* listRepositories(options, subject.domain)
}

async function* listFound(options: RegistryLsOptions, search: string): AsyncGenerator<AnyRecord> {
  checkSearch(options)
  const subject = searchSubjectOf({ ...options, search })
  const passes = filterOf(options)
  for await (const { name, ...about } of searched(subject, options.remote)) {
    if (!passes(name)) continue
    // Docker Hub writes `nginx` for what lies below library/, and no name may lead to another host.
    const record = referenceTo(`${subject.domain}/${name}`)
    yield record.type === 'reference' ? { ...record, ...about } : record
  }
}

async function* listRepositories(options: RegistryLsOptions, domain: string): AsyncGenerator<AnyRecord> {
  if (options.filter !== undefined && hasColon(options.filter))
    throw new ToolError(
      'USAGE',
      `no repository has a colon in its name, as --filter ${JSON.stringify(options.filter)} wants: --tags lists tags`,
      { status: 2 },
    )
  const passes = filterOf(options)
  for await (const path of repositories(options, domain))
    if (passes(path)) yield referenceTo(`${domain}/${path}`)
}

async function* listAllTags(options: RegistryLsOptions, domain: string): AsyncGenerator<AnyRecord> {
  const passes = tagFilterOf(options)
  for await (const path of repositories(options, domain)) {
    // A repository none of whose tags can pass is not asked, so that its refusal does not matter.
    if (!passes.repository(path)) continue
    try {
      yield* listTags(options, { domain, path }, tag => passes.tag(`${path}:${tag}`))
    } catch (error) {
      if (!(error instanceof ToolError) || options.remote.signal?.aborted) throw error
      yield failure(error, `${domain}/${path}`)
    }
  }
}

async function* repositories({ remote }: RegistryLsOptions, domain: string): AsyncGenerator<string> {
  const { path: _path, ...session } = sessionOptions({ ...remote, store: '' }, { domain, path: '' })
  const registry = new Registry(session)
  try {
    yield* registry.repositories()
  } finally {
    await registry.close()
  }
}

async function* listTags(
  options: RegistryLsOptions,
  { domain, path }: { readonly domain: string; readonly path: string },
  passes: Filter,
): AsyncGenerator<AnyRecord> {
  const repository = open(options, domain, path)
  try {
    for await (const tag of repository.tags()) if (passes(tag)) yield referenceTo(`${domain}/${path}:${tag}`)
  } finally {
    await repository.close()
  }
}

async function* listReferrers(
  options: RegistryLsOptions,
  { domain, path, tag, digest }: Subject & { readonly path: string },
): AsyncGenerator<AnyRecord> {
  const passes = filterOf(options)
  const repository = open(options, domain, path)
  try {
    const subject = digest ?? (await repository.getManifest(tag ?? 'latest')).descriptor.digest
    for (const found of await repository.referrers(subject, options.artifactType)) {
      const { mediaType, size, artifactType, annotations } = found
      if (!passes(found.digest)) continue
      const more = {
        mediaType,
        size,
        ...(artifactType && { artifactType }),
        ...(annotations && { annotations }),
      }
      yield { ...referenceTo(`${domain}/${path}@${found.digest}`), ...more, subject }
    }
  } finally {
    await repository.close()
  }
}

function open({ remote }: RegistryLsOptions, domain: string, path: string): Repository {
  return new Repository(sessionOptions({ ...remote, store: '' }, { domain, path }))
}

// A registry may return texts that are no valid names.
function referenceTo(text: string): AnyRecord {
  try {
    return { type: 'reference', reference: formatReference(parseNormalized(text)) }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return failure(error, text)
  }
}

function failure({ code, message }: ToolError, reference: string): FailedRecord {
  return { type: 'failed', tool: TOOL, code, message, item: { reference } }
}
