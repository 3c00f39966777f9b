/**
 * registry-ls: lists what a registry has, as references.
 *
 * @module
 */
import { printable } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { type RemoteOptions, sessionOptions } from '@pipelayer/places'
import type { AnyRecord, FailedRecord } from '@pipelayer/records'
import { formatReference, parseReference } from '@pipelayer/reference'
import { Registry, Repository } from '@pipelayer/registry'
import { type Filter, filterOf } from './filter.js'
import { type Subject, subjectOf } from './subject.js'

export interface RegistryLsOptions {
  /** A host, a repository, or an image: see `subject.ts`. */
  readonly name: string
  readonly tags?: boolean
  readonly referrers?: boolean
  readonly artifactType?: string | undefined
  /** A glob, and a regular expression; what is listed must pass both. */
  readonly filter?: string | undefined
  readonly match?: string | undefined
  readonly remote: RemoteOptions
}

const TOOL = 'registry-ls'

/** For a terminal: a reference on each line, and why what is missing is missing. */
export const LINES = {
  record: ({ reference, message }: AnyRecord): string => `${printable(String(reference ?? message))}\n`,
  end: (): string => '',
}

interface Listing {
  readonly options: RegistryLsOptions
  readonly passes: Filter
}

/**
 * Yields `reference` records in the order of the registry, each as soon as its page is there. Memory: one page.
 *
 * A name that cannot be one, and with `tags` a repository that cannot be listed, costs itself only: `failed`.
 *
 * @throws ToolError `USAGE` of status 2; `NAME_UNKNOWN`, `CATALOG_UNSUPPORTED`, `LISTING_INVALID`, `LISTING_ENDLESS`, `LINK_INVALID`; those of a refusal
 */
export async function* registryLs(options: RegistryLsOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const listing = { options, passes: filterOf(options) }
  const subject = subjectOf(options)
  if (subject.path === undefined) yield* listRegistry(listing, subject.domain)
  else if (options.referrers) yield* listReferrers(listing, { ...subject, path: subject.path })
  else yield* listTags(listing, { ...subject, path: subject.path }, tag => tag)
}

async function* listRegistry(listing: Listing, domain: string): AsyncGenerator<AnyRecord> {
  const { remote, tags } = listing.options
  const { path: _path, ...session } = sessionOptions({ ...remote, store: '' }, { domain, path: '' })
  const registry = new Registry(session)
  try {
    for await (const path of registry.repositories()) {
      if (!tags) {
        if (listing.passes(path)) yield referenceTo(`${domain}/${path}`)
      } else yield* repositoryOfMany(listing, { domain, path })
    }
  } finally {
    await registry.close()
  }
}

async function* repositoryOfMany(
  listing: Listing,
  repository: { readonly domain: string; readonly path: string },
): AsyncGenerator<AnyRecord> {
  try {
    yield* listTags(listing, repository, tag => `${repository.path}:${tag}`)
  } catch (error) {
    if (!(error instanceof ToolError) || listing.options.remote.signal?.aborted) throw error
    yield failure(error, `${repository.domain}/${repository.path}`)
  }
}

async function* listTags(
  { options, passes }: Listing,
  { domain, path }: { readonly domain: string; readonly path: string },
  shown: (tag: string) => string,
): AsyncGenerator<AnyRecord> {
  const repository = open(options, domain, path)
  try {
    for await (const tag of repository.tags()) {
      if (passes(shown(tag))) yield referenceTo(`${domain}/${path}:${tag}`)
    }
  } finally {
    await repository.close()
  }
}

async function* listReferrers(
  { options, passes }: Listing,
  { domain, path, tag, digest }: Subject & { readonly path: string },
): AsyncGenerator<AnyRecord> {
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

// What a registry says is a name need not be one.
function referenceTo(text: string): AnyRecord {
  try {
    return { type: 'reference', reference: formatReference(parseReference(text)) }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return failure(error, text)
  }
}

function failure({ code, message }: ToolError, reference: string): FailedRecord {
  return { type: 'failed', tool: TOOL, code, message, item: { reference } }
}
