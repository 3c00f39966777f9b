/**
 * Maps the names in a layout's index.json to repositories and tags of a registry.
 *
 * ```
 * ref.name                          repository         tag       also reached as
 * docker.io/library/app:1           app                1         library/app, docker.io/library/app
 * quay.io/team/app:1                team/app           1         quay.io/team/app
 * localhost:5000/app:1              app                1
 * 1.0  (no slash, no colon)         the layout's own   1.0
 * ```
 *
 * A name in a request is first read as a reference, so that `app` stands for `docker.io/library/app` as in all our
 * programs. If there is no such name, it is read as a path of any domain. Where two domains have the same path and tag,
 * the request must name the domain.
 *
 * @module
 */
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type LayoutIndex, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { formatReference, GRAMMAR, parseNormalized, withDefaultTag } from '@pipelayer/reference'

const HUB = 'docker.io'
const OFFICIAL = /^library\/(?=[^/]+$)/

/** An entry with a name. */
export interface NamedEntry {
  readonly descriptor: StoredDescriptor
  /** The name as index.json has it. */
  readonly refName: string
  /** Undefined for a bare tag. */
  readonly domain: string | undefined
  readonly path: string
  readonly tag: string
}

/** One state of index.json. */
export class IndexView {
  readonly #own: string | undefined
  readonly #named: readonly NamedEntry[]
  readonly listed: ReadonlyMap<Digest, StoredDescriptor>

  /** @param own - the repository of bare tags */
  constructor(index: LayoutIndex, own: string | undefined) {
    this.#own = own
    this.#named = index.manifests.flatMap(descriptor => namedEntry(descriptor, own) ?? [])
    this.listed = new Map(index.manifests.map(descriptor => [descriptor.digest, descriptor]))
  }

  /**
   * The names of all repositories, in byte order. Docker Hub's official images come in their usual form, without
   * `library/`.
   */
  repositories(): string[] {
    const names = this.#named.map(({ domain, path }) => (domain === HUB ? path.replace(OFFICIAL, '') : path))
    return [...new Set(names)].sort()
  }

  /** The entries of a repository by tag. A tag has several where only the domain distinguishes them. */
  tags(name: string): Map<string, readonly NamedEntry[]> {
    const found = new Map<string, readonly NamedEntry[]>()
    for (const entry of this.#named) {
      if (entry.path === name) found.set(entry.tag, [...(found.get(entry.tag) ?? []), entry])
    }
    const meant = fullName(name)
    for (const entry of this.#named) {
      const isMeant = entry.domain === undefined ? entry.path === name : nameOf(entry) === meant
      if (isMeant) found.set(entry.tag, [entry])
    }
    return found
  }

  /** @throws {ToolError} `REFERENCE_AMBIGUOUS` */
  resolve(name: string, tag: string): NamedEntry | undefined {
    const entries = this.tags(name).get(tag) ?? []
    const digests = new Set(entries.map(({ descriptor }) => descriptor.digest))
    if (digests.size < 2) return entries[0]
    const names = entries.map(({ refName }) => refName).join(', ')
    throw new ToolError(
      'REFERENCE_AMBIGUOUS',
      `${name}:${tag} may be any of ${names}: put the domain before it`,
    )
  }

  /** The reference name that a pushed tag gets: that of the entry it replaces, else the full reference. */
  refNameFor(name: string, tag: string): string {
    const meant = fullName(name)
    const same = this.#named.find(
      entry =>
        entry.tag === tag &&
        (entry.domain === undefined ? entry.path === name && name === this.#own : nameOf(entry) === meant),
    )
    return same?.refName ?? formatReference({ ...parseNormalized(name), tag })
  }
}

/**
 * The index with `descriptor` under `refName`; entries without a name for its `children` are removed, since it covers
 * them.
 */
export function withName(
  index: LayoutIndex,
  descriptor: StoredDescriptor,
  named: { readonly refName: string; readonly children: readonly Digest[] },
): LayoutIndex {
  const covered = new Set([descriptor.digest, ...named.children])
  const others = index.manifests.filter(entry => {
    const refName = entry.annotations?.[REF_NAME]
    return refName === undefined ? !covered.has(entry.digest) : refName !== named.refName
  })
  return { ...index, manifests: [...others, { ...descriptor, annotations: { [REF_NAME]: named.refName } }] }
}

/** The index without some names; the manifests that had them stay listed. */
export function withoutName(index: LayoutIndex, refNames: ReadonlySet<string>): LayoutIndex {
  const isNamed = (entry: StoredDescriptor): boolean => refNames.has(entry.annotations?.[REF_NAME] ?? '')
  const kept = index.manifests.filter(entry => !isNamed(entry))
  const listed = new Set(kept.map(({ digest }) => digest))
  const bare = index.manifests
    .filter(entry => isNamed(entry) && !listed.has(entry.digest))
    .map(withoutRefName)
  return { ...index, manifests: [...kept, ...bare] }
}

function withoutRefName(entry: StoredDescriptor): StoredDescriptor {
  const { annotations, ...rest } = entry
  const others = Object.entries(annotations ?? {}).filter(([key]) => key !== REF_NAME)
  return others.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(others) }
}

function namedEntry(descriptor: StoredDescriptor, own: string | undefined): NamedEntry | undefined {
  const refName = descriptor.annotations?.[REF_NAME]
  if (refName === undefined) return undefined
  if (GRAMMAR.tag.test(refName)) {
    return own === undefined ? undefined : { descriptor, refName, domain: undefined, path: own, tag: refName }
  }
  try {
    const { domain, path, tag } = withDefaultTag(parseNormalized(refName))
    return tag === undefined ? undefined : { descriptor, refName, domain, path, tag }
  } catch {
    // Other tools may write any text there. Such an image can be pulled by its digest.
    return undefined
  }
}

function nameOf({ domain, path }: NamedEntry): string {
  return `${domain}/${path}`
}

function fullName(name: string): string {
  const { domain, path } = parseNormalized(name)
  return `${domain}/${path}`
}
