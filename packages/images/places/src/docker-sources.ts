import { ToolError } from '@pipelayer/errors'
import type { Route } from '@pipelayer/mirrors'
import type { Descriptor } from '@pipelayer/oci'
import { Repository } from '@pipelayer/registry'
import type { PlacedManifest, PlaceOptions } from './place.js'
import { type Remote, sessionOptions } from './remote.js'

/** How often a mirror is tried. A mirror that does not answer must not cost much time, since there are other hosts. */
const MIRROR_TRIES = 2

interface Source extends Remote {
  readonly resolves: boolean
}

/**
 * The hosts that a repository is read from: they are asked one after the other until one answers. A host that fails is
 * not asked again. Content of a mirror is checked just like that of the registry. A tag means what the first host that
 * answers says.
 */
export class DockerSources {
  readonly #sources: readonly Source[]
  readonly #options: PlaceOptions
  readonly #open = new Map<Source, Repository>()
  readonly #failed = new Set<Source>()
  #served: Source | undefined

  constructor(route: Pick<Route, 'endpoints'>, options: PlaceOptions) {
    this.#sources = route.endpoints
    this.#options = options
  }

  /** The place that the manifest came from; undefined before it came. */
  get served(): string | undefined {
    return this.#served && nameOf(this.#served)
  }

  /** The manifest of a tag or a digest. A digest may be asked of any host, since it proves the bytes. */
  async manifest(reference: string, { isDigest }: { readonly isDigest: boolean }): Promise<PlacedManifest> {
    for (const source of this.#left()) {
      if (!isDigest && !source.resolves) continue
      try {
        const found = await this.#repository(source).getManifest(reference)
        this.#served ??= source
        return found
      } catch (error) {
        this.#leave(source, error)
      }
    }
    throw new ToolError('MANIFEST_UNKNOWN', `no host may be asked for ${reference}`)
  }

  /** If one host breaks off a transfer, the next host goes on where it broke. */
  async *blob(descriptor: Descriptor, from: number): AsyncGenerator<Buffer, void, undefined> {
    let at = from
    for (const source of this.#left()) {
      try {
        for await (const chunk of this.#repository(source).streamBlob(descriptor, at)) {
          at += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        this.#leave(source, error)
      }
    }
  }

  async blobSize(digest: string): Promise<number | undefined> {
    for (const source of this.#left()) {
      try {
        const size = await this.#repository(source).blobSize(digest)
        if (size !== undefined) return size
      } catch (error) {
        this.#leave(source, error)
      }
    }
    return undefined
  }

  /** The manifests that refer to a manifest, as the host says that served it. */
  referrers(digest: string): Promise<readonly Descriptor[]> {
    const [source] = this.#served ? [this.#served] : this.#left()
    return source === undefined ? Promise.resolve([]) : this.#repository(source).referrers(digest)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(repository => repository.close()))
    this.#open.clear()
  }

  #left(): Source[] {
    const { connections } = this.#options.registries ?? {}
    const isLast = (source: Source): boolean => this.#sources.at(-1) === source
    return this.#sources.filter(
      source => !this.#failed.has(source) && (isLast(source) || !connections?.isDown(source.domain)),
    )
  }

  // If all hosts fail, the error of the last one is thrown.
  #leave(source: Source, error: unknown): void {
    if (!(error instanceof ToolError) || this.#left().at(-1) === source || this.#options.signal?.aborted)
      throw error
    this.#failed.add(source)
    if (error.status === 75) this.#options.registries?.connections?.leave(source.domain)
    this.#options.warn?.(
      `${nameOf(source)} did not serve: ${error.message}; asking the next host`,
      'MIRROR_FAILED',
    )
  }

  #repository(source: Source): Repository {
    const known = this.#open.get(source)
    if (known !== undefined) return known
    const session = sessionOptions(this.#options, source)
    const isLast = this.#sources.at(-1) === source
    const repository = new Repository(
      isLast ? session : { ...session, retry: { ...session.retry, tries: MIRROR_TRIES } },
    )
    this.#open.set(source, repository)
    return repository
  }
}

function nameOf({ domain, path }: Remote): string {
  return `docker://${domain}/${path}`
}
