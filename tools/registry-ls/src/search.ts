/**
 * Searches a registry for repositories.
 *
 * @module
 */
import { type TextForm, tableForm } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { type RemoteOptions, sessionOptions } from '@pipelayer/places'
import type { AnyRecord, ReferenceRecord } from '@pipelayer/records'
import { familiar, parseNormalized } from '@pipelayer/reference'
import { type FoundRepository, Registry, searchDomain } from '@pipelayer/registry'

const HUB = 'docker.io'
/** As of `docker search`. */
const DEFAULT_LIMIT = 25
const MAX_LIMIT = 100
/** So many characters of a description are shown on a terminal, as Docker shows them. */
const SHOWN = 45

export interface SearchOptions {
  /** A host; without it, the one that the word begins with, else Docker Hub. */
  readonly name: string
  /** A part of a name; perhaps behind a host, as for `docker search`: `quay.io/app`. */
  readonly search: string
  readonly limit?: number | undefined
  readonly remote: RemoteOptions
}

/** What is looked for, where. */
export interface SearchSubject {
  readonly domain: string
  readonly word: string
  readonly limit: number
}

/** @throws ToolError `USAGE` of status 2 */
export function searchSubjectOf({ name, search, limit = DEFAULT_LIMIT }: SearchOptions): SearchSubject {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw usage(`--limit takes a number from 1 to ${MAX_LIMIT}, got ${limit}`)
  const slash = search.indexOf('/')
  const first = search.slice(0, Math.max(0, slash))
  const isHost = name === '' && (/[.:]/.test(first) || first === 'localhost')
  const host = isHost ? first : name.replace(/^docker:\/\//, '').replace(/\/$/, '') || HUB
  // On Docker Hub the short name of an official image is what people write, and what the Hub finds.
  const word = (isHost ? search.slice(slash + 1) : search).replace(/^library\/(?=.)/, '').trim()
  if (word === '') throw usage('--search needs a word')
  return { domain: domainOf(host), word, limit }
}

// A host is the part of a reference before its first slash.
function domainOf(host: string): string {
  const name = host.replace(/^(?:index|registry-1)\.docker\.io$/, HUB)
  try {
    const { domain } = parseNormalized(`${name}/library/x`)
    if (domain === name && !name.includes('/')) return domain
  } catch {
    // The error below covers this case too.
  }
  throw usage(`--search looks through a registry: expected HOST[:PORT], got ${JSON.stringify(host)}`)
}

/** What was found, each as soon as it is known: by the registry's own search, or in its catalog where it has none. */
export async function* searched(
  { domain, word, limit }: SearchSubject,
  remote: RemoteOptions,
): AsyncGenerator<FoundRepository, void, undefined> {
  const open = (host: string): Registry => {
    const { path: _path, ...session } = sessionOptions({ ...remote, store: '' }, { domain: host, path: '' })
    return new Registry(session)
  }
  const searching = open(searchDomain(domain))
  try {
    const found = await searching.search({ word, limit })
    if (found !== undefined) return yield* found
  } finally {
    await searching.close()
  }
  const registry = open(domain)
  try {
    let left = limit
    for await (const name of registry.repositories()) {
      if (!name.includes(word.toLowerCase())) continue
      yield { name }
      if (--left === 0) return
    }
  } finally {
    await registry.close()
  }
}

/** The table of a terminal, as `docker search` prints it. */
export function searchTable(): TextForm {
  return tableForm({
    columns: [
      { head: 'NAME' },
      { head: 'DESCRIPTION' },
      { head: 'STARS', align: 'right' },
      { head: 'OFFICIAL' },
    ],
    row: record => (record.type === 'reference' ? cells(record as ReferenceRecord) : undefined),
  })
}

function cells({ reference, description = '', stars, official }: ReferenceRecord & AnyRecord): string[] {
  const line = description.replace(/\s+/g, ' ')
  const shown = [...line].length > SHOWN ? `${[...line].slice(0, SHOWN - 1).join('')}…` : line
  return [familiar(parseNormalized(reference)), shown, String(stars ?? ''), official ? '[OK]' : '']
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}
