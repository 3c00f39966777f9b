import type { Descriptor } from './descriptor.js'
import { type Index, type Manifest, parseManifest } from './manifest.js'

/** The most manifests that are remembered, with a few hundred bytes each. */
const MAX_KNOWN = 100_000

/** The manifests of a repository, a layout or an archive. */
export interface ManifestSource {
  /** All manifests and indexes that may refer to another. */
  manifests(): Iterable<string>
  hasManifest(digest: string): boolean
  /** The checked bytes of a manifest for which {@link hasManifest} is true. */
  manifest(digest: string): Promise<Buffer>
}

interface Referrer {
  readonly subject: string
  readonly descriptor: Descriptor
}

/**
 * Remembers the subject of each manifest. A manifest never changes, so it is read once; whether it still exists is
 * checked each time.
 *
 * Spec: image-spec v1.1, manifest.md (`subject`); distribution-spec v1.1, "Listing Referrers".
 */
export class ReferrerCache {
  readonly #known = new Map<string, Referrer | undefined>()

  /** The manifests that have this subject, in order of their digests. A manifest that cannot be read refers to nothing. */
  async of(source: ManifestSource, subject: string): Promise<Descriptor[]> {
    const found = new Map<string, Descriptor>()
    for (const digest of source.manifests()) {
      const referrer = await this.#referrer(source, digest)
      if (referrer?.subject === subject) found.set(digest, referrer.descriptor)
    }
    return [...found.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  }

  async #referrer(source: ManifestSource, digest: string): Promise<Referrer | undefined> {
    if (this.#known.has(digest)) return this.#known.get(digest)
    if (!source.hasManifest(digest)) return undefined
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    const referrer = await readReferrer(source, digest)
    this.#known.set(digest, referrer)
    return referrer
  }
}

async function readReferrer(source: ManifestSource, digest: string): Promise<Referrer | undefined> {
  try {
    const bytes = await source.manifest(digest)
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
