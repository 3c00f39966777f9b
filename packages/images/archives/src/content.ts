/**
 * An archive of images: an OCI image layout in a tar, which may lack blobs that its reader is known to have.
 *
 * ```
 * oci-layout
 * blobs/<algorithm>/<hex>             a whole blob
 * rests/<algorithm>/<hex>.<offset>    a blob from a byte on, for a reader that has what comes before it
 * index.json                          the images by name: the last entry, so that a cut archive has none
 * ```
 *
 * Spec: image-spec v1.1, image-layout.md; `rests` is ours, and other readers pass over it.
 *
 * @module
 */
import { algorithmOf, type Digest, encodedOf, isDigest } from '@pipelayer/digest'

/** What an entry of an archive holds. */
export type ArchiveContent =
  | { readonly kind: 'index' }
  /** The blob from the byte `offset` on. */
  | { readonly kind: 'blob'; readonly digest: Digest; readonly offset: number }
  | { readonly kind: 'other' }

/** The name of the entry of a blob, or of its rest. */
export function archiveName(digest: Digest, offset = 0): string {
  const name = `${algorithmOf(digest)}/${encodedOf(digest)}`
  return offset === 0 ? `blobs/${name}` : `rests/${name}.${offset}`
}

/** What the name of an entry says that it holds. A leading `./` does not count. */
export function archiveContent(name: string): ArchiveContent {
  const plain = name.replace(/^(\.\/)+/, '')
  if (plain === 'index.json') return { kind: 'index' }
  const match = /^(?:blobs\/([a-z0-9]+)\/([a-f0-9]+)|rests\/([a-z0-9]+)\/([a-f0-9]+)\.(\d{1,15}))$/.exec(
    plain,
  )
  const digest = `${match?.[1] ?? match?.[3]}:${match?.[2] ?? match?.[4]}`
  return isDigest(digest) ? { kind: 'blob', digest, offset: Number(match?.[5] ?? 0) } : { kind: 'other' }
}
