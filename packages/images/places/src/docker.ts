import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Route } from '@pipelayer/mirrors'
import type { Descriptor } from '@pipelayer/oci'
import {
  formatName,
  formatReference,
  type NormalizedReference,
  parseNormalized,
  withDefaultTag,
} from '@pipelayer/reference'
import { Repository } from '@pipelayer/registry'
import { DockerSources } from './docker-sources.js'
import type {
  OpenBlob,
  Place,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceWriter,
  Published,
} from './place.js'
import { sessionOptions } from './remote.js'
import { withUploadMemory } from './upload-memory.js'

const TRANSPORT = 'docker://'
/** Smaller blobs are uploaded in one piece, so there is no position to remember. */
const MIN_REMEMBERED_BYTES = 16 * 1024 * 1024

/**
 * `docker://HOST/NAME[:TAG][@DIGEST]`: a repository of a registry. It is read from its mirrors, where they are
 * configured, and written to itself.
 *
 * @throws ToolError `REFERENCE_INVALID`, `REGISTRY_BLOCKED`, `MIRRORS_INVALID`, `CERTIFICATE_INVALID`
 */
export function openDocker(rest: string, options: PlaceOptions): Place {
  const reference = withDefaultTag(parseNormalized(rest.replace(/^\/\//, '')))
  const place = new DockerPlace(reference, options)
  return {
    traits: { isLocal: false, isStore: false, isStaged: false, isSerial: false },
    text: TRANSPORT + formatName(reference),
    get origins() {
      return place.origins
    },
    repository: { name: formatName(reference), tagged: tag => `${TRANSPORT}${formatName(reference)}:${tag}` },
    reference: formatReference(reference),
    read: place,
    write: place,
    close: () => place.close(),
  }
}

function routeTo({ domain, path, digest }: NormalizedReference, { registries }: PlaceOptions): Route {
  const found = registries?.route?.({ domain, path, byDigest: digest !== undefined })
  if (found?.blocked) {
    throw new ToolError('REGISTRY_BLOCKED', `${domain}/${path} is blocked by the rule for "${found.rule}"`)
  }
  return found ?? { rule: domain, blocked: false, endpoints: [{ domain, path, resolves: true }] }
}

class DockerPlace implements PlaceReader, PlaceWriter {
  readonly #options: PlaceOptions
  readonly #reference: NormalizedReference
  readonly #sources: DockerSources
  #own: Repository | undefined

  constructor(reference: NormalizedReference, options: PlaceOptions) {
    this.#options = options
    this.#reference = reference
    this.#sources = new DockerSources(routeTo(reference, options), options)
  }

  /** The mirror that served the manifest, then the repository itself. */
  get origins(): readonly string[] {
    const { served } = this.#sources
    const own = TRANSPORT + formatName(this.#reference)
    return [...new Set([...(served === undefined ? [] : [served]), own])]
  }

  async close(): Promise<void> {
    await Promise.all([this.#sources.close(), this.#own?.close()])
  }

  resolve(digest?: Digest): Promise<PlacedManifest> {
    const { tag, digest: named } = this.#reference
    const exact = digest ?? named
    return this.#sources.manifest(exact ?? tag ?? 'latest', { isDigest: exact !== undefined })
  }

  blobSize(digest: string): Promise<number | undefined> {
    return this.#sources.blobSize(digest)
  }

  blob(descriptor: Descriptor): AsyncIterable<Buffer> {
    return this.#sources.blob(descriptor, 0)
  }

  blobFrom(descriptor: Descriptor, from: number): AsyncIterable<Buffer> {
    return this.#sources.blob(descriptor, from)
  }

  referrers(digest: Digest): Promise<readonly Descriptor[]> {
    return this.#sources.referrers(digest)
  }

  hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#repository().hasBlob(descriptor)
  }

  async hasManifest({ digest }: Descriptor): Promise<boolean> {
    return (await this.#repository().headManifest(digest)) !== undefined
  }

  async putBlob(descriptor: Descriptor, open: OpenBlob, from: readonly string[] = []): Promise<void> {
    for (const path of this.#neighbours(from)) {
      if (await this.#repository().mountBlob(descriptor, path)) return
    }
    if (descriptor.size < MIN_REMEMBERED_BYTES) return this.#repository().uploadBlob(descriptor, open)
    const { domain, path } = this.#reference
    await withUploadMemory(this.#options, [domain, path, descriptor.digest], memory =>
      this.#repository().uploadBlob(descriptor, open, memory),
    )
  }

  putManifest({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    return this.#repository().putManifest(descriptor.digest, { bytes, mediaType: descriptor.mediaType })
  }

  async publish({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    const { digest, tag } = this.#reference
    if (digest !== undefined && digest !== descriptor.digest) {
      const name = formatReference(this.#reference)
      throw new ToolError('DIGEST_MISMATCH', `cannot put ${descriptor.digest} as ${name}: another digest`)
    }
    const name = tag ?? descriptor.digest
    await this.#repository().putManifest(name, { bytes, mediaType: descriptor.mediaType })
    const reference = formatReference(this.#reference)
    return { place: TRANSPORT + reference, reference }
  }

  #repository(): Repository {
    const { domain, path } = this.#reference
    this.#own ??= new Repository(sessionOptions(this.#options, { domain, path }))
    return this.#own
  }

  // Repositories of this registry that hold a blob, from which it can be mounted.
  *#neighbours(from: readonly string[]): Generator<string, void, undefined> {
    for (const text of from) {
      if (!text.startsWith(TRANSPORT)) continue
      const { domain, path } = parseNormalized(text.slice(TRANSPORT.length))
      if (domain === this.#reference.domain && path !== this.#reference.path) yield path
    }
  }
}
