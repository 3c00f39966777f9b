import type { Digest } from '@pipelayer/digest'
import { type Descriptor, type Index, type Manifest, parseManifest } from '@pipelayer/oci'
import type { RepositoryStorage } from './storage.js'

/** The most manifests that are remembered, with a few hundred bytes each. */
const MAX_KNOWN = 100_000

interface Referrer {
  readonly subject: Digest
  readonly descriptor: Descriptor
}

/**
 * Remembers the subject of each manifest. A manifest never changes, so it is read once; whether it still exists is
 * checked each time.
 */
export class ReferrerCache {
  readonly #known = new Map<Digest, Referrer | undefined>()

  /** The manifests of a repository that have this subject, in order of their digests. */
  async of(repository: RepositoryStorage, subject: Digest): Promise<Descriptor[]> {
    const found: Descriptor[] = []
    for (const digest of repository.manifests()) {
      const referrer = await this.#referrer(repository, digest)
      if (referrer?.subject === subject) found.push(referrer.descriptor)
    }
    return found.sort((a, b) => (a.digest < b.digest ? -1 : 1))
  }

  async #referrer(repository: RepositoryStorage, digest: Digest): Promise<Referrer | undefined> {
    if (this.#known.has(digest)) return this.#known.get(digest)
    if (!repository.hasManifest(digest)) return undefined
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    const referrer = await readReferrer(repository, digest)
    this.#known.set(digest, referrer)
    return referrer
  }
}

// A manifest that cannot be read refers to nothing.
async function readReferrer(repository: RepositoryStorage, digest: Digest): Promise<Referrer | undefined> {
  try {
    const bytes = await repository.manifest(digest)
    const document = parseManifest(bytes)
    const { subject, mediaType, annotations } = document
    if (subject === undefined) return undefined
    const artifactType = artifactTypeOf(document)
    const descriptor = {
      mediaType,
      digest,
      size: bytes.length,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations !== undefined && { annotations }),
    }
    return { subject: subject.digest, descriptor }
  } catch {
    return undefined
  }
}

function artifactTypeOf(document: Manifest | Index): string | undefined {
  if (document.artifactType) return document.artifactType
  return document.kind === 'manifest' ? document.config.mediaType : undefined
}
