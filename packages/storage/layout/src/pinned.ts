/**
 * Handles names that pin a digest, as `REPOSITORY@DIGEST` does, or that are a digest. Such a name asks for exactly that
 * content, so an index.json, which anybody may have written, is not trusted.
 *
 * @module
 */
import { isDigest, isWellFormedDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { parseLayoutIndex } from './index-file.js'

/** How deep indexes may lie in indexes. */
const MAX_DEPTH = 4
const INDEX_TYPES = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
])

/** Reads a document by its digest, and checks it. */
export type ReadDocument = (digest: string) => Buffer

/** The digest that a name pins; undefined where it pins none. */
export function pinOf(name: string): string | undefined {
  const at = name.lastIndexOf('@')
  // Without a "@" only a known algorithm counts, since "debian:12" looks like a digest of an unknown one.
  if (at < 0) return isDigest(name) ? name : undefined
  const digest = name.slice(at + 1)
  return isWellFormedDigest(digest) ? digest : undefined
}

/**
 * Proves that a name stands for a manifest. No proof is needed where the name pins nothing, or pins that manifest.
 * Otherwise the proof is the indexes that lead from the pinned one, which must be in the layout, down to the manifest.
 * An image that was pulled by the digest of its index is such a case: the name belongs to the manifest for the
 * platform.
 *
 * @returns the digests of the indexes, the pinned one first; undefined where the name pins something else
 */
export function proofOf(name: string, digest: string, read: ReadDocument): readonly string[] | undefined {
  const pin = pinOf(name)
  if (pin === undefined || pin === digest) return []
  return pathTo(digest, { index: pin, read, depth: 0 })
}

interface Search {
  readonly index: string
  readonly read: ReadDocument
  readonly depth: number
}

function pathTo(digest: string, { index, read, depth }: Search): readonly string[] | undefined {
  if (depth === MAX_DEPTH) return undefined
  const entries = entriesIn(index, read)
  if (entries.some(entry => entry.digest === digest)) return [index]
  for (const entry of entries) {
    if (!INDEX_TYPES.has(entry.mediaType)) continue
    const below = pathTo(digest, { index: entry.digest, read, depth: depth + 1 })
    if (below !== undefined) return [index, ...below]
  }
  return undefined
}

// An index that is missing, or does not match its digest, proves nothing.
function entriesIn(
  digest: string,
  read: ReadDocument,
): readonly { readonly digest: string; readonly mediaType: string }[] {
  if (!isDigest(digest)) return []
  try {
    const index = parseLayoutIndex(read(digest).toString('utf8'), digest)
    // Readers differ about a document that is an index and a manifest at once: CVE-2021-41190.
    return 'layers' in index || 'config' in index ? [] : index.manifests
  } catch (error) {
    if (error instanceof ToolError) return []
    throw error
  }
}
