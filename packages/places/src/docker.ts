import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import {
  formatName,
  formatReference,
  type NormalizedReference,
  parseNormalized,
  withDefaultTag,
} from '@pipelayer/reference'
import { credentialFiles, credentialPaths, Repository } from '@pipelayer/registry'
import type { OpenBlob, Place, PlacedManifest, PlaceOptions, Published } from './place.js'

const TRANSPORT = 'docker://'

/** `docker://HOST/NAME[:TAG][@DIGEST]`: a repository of a registry. */
export function openDocker(rest: string, options: PlaceOptions): Place {
  const reference = withDefaultTag(parseNormalized(rest.replace(/^\/\//, '')))
  const { env = {}, credentials, plainHttp, retry, timeouts, signal, warn } = options
  const { domain, path } = reference
  const repository = new Repository({
    domain,
    path,
    env,
    plainHttp,
    retry,
    timeouts,
    signal,
    onRetry: (failure, waitMs) =>
      warn?.(`${failure.message}; trying again in ${(waitMs / 1000).toFixed(1)} s`, failure.code),
    credentials: credentials ?? credentialFiles(credentialPaths(env)),
  })
  const place = new DockerPlace(repository, reference)
  return {
    text: TRANSPORT + formatName(reference),
    reference: formatReference(reference),
    read: place,
    write: place,
    close: () => repository.close(),
  }
}

class DockerPlace {
  readonly #repository: Repository
  readonly #reference: NormalizedReference

  constructor(repository: Repository, reference: NormalizedReference) {
    this.#repository = repository
    this.#reference = reference
  }

  resolve(digest?: Digest): Promise<PlacedManifest> {
    const { tag, digest: named } = this.#reference
    return this.#repository.getManifest(digest ?? named ?? tag ?? 'latest')
  }

  blob(descriptor: Descriptor): AsyncIterable<Buffer> {
    return this.#repository.streamBlob(descriptor)
  }

  blobFrom(descriptor: Descriptor, from: number): AsyncIterable<Buffer> {
    return this.#repository.streamBlob(descriptor, from)
  }

  hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#repository.hasBlob(descriptor)
  }

  async hasManifest({ digest }: Descriptor): Promise<boolean> {
    return (await this.#repository.headManifest(digest)) !== undefined
  }

  async putBlob(descriptor: Descriptor, open: OpenBlob, from: readonly string[] = []): Promise<void> {
    for (const path of this.#neighbours(from)) {
      if (await this.#repository.mountBlob(descriptor, path)) return
    }
    await this.#repository.uploadBlob(descriptor, open)
  }

  putManifest({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    return this.#repository.putManifest(descriptor.digest, { bytes, mediaType: descriptor.mediaType })
  }

  async publish({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    const { digest, tag } = this.#reference
    if (digest !== undefined && digest !== descriptor.digest) {
      const name = formatReference(this.#reference)
      throw new ToolError('DIGEST_MISMATCH', `cannot put ${descriptor.digest} as ${name}: another digest`)
    }
    const name = tag ?? descriptor.digest
    await this.#repository.putManifest(name, { bytes, mediaType: descriptor.mediaType })
    const reference = formatReference(this.#reference)
    return { place: TRANSPORT + reference, reference }
  }

  // Repositories of this registry that hold a blob: it can be mounted from there.
  *#neighbours(from: readonly string[]): Generator<string, void, undefined> {
    for (const text of from) {
      if (!text.startsWith(TRANSPORT)) continue
      const { domain, path } = parseNormalized(text.slice(TRANSPORT.length))
      if (domain === this.#reference.domain && path !== this.#reference.path) yield path
    }
  }
}
