import { ToolError } from '@pipelayer/errors'
import type { DocumentLinks, Link } from './document-reader.js'

/** A document whose links are unknown. */
export interface BrokenDocument {
  readonly link: Link
  /** Absent where the document is missing. */
  readonly error?: ToolError
  /** Whether it is one of those that the search began with. */
  readonly isRoot: boolean
}

/** What is reached from some descriptors. */
export interface Reach {
  /** Everything that is named, by digest, in the order of the search: whether it is there or not. */
  readonly links: Map<string, Link>
  readonly broken: readonly BrokenDocument[]
}

/**
 * Follows descriptors through indexes and manifests to configs and layers. Each document is visited once, so that the
 * time is linear in the documents, however they name each other.
 *
 * @param links - gives what a document names: see `DocumentReader.links`
 * @param known - what was reached before; it is not visited again, and what is found is added to it
 */
export function reach(
  roots: readonly Link[],
  links: (document: Link) => DocumentLinks | ToolError | undefined,
  known: Map<string, Link> = new Map(),
): Reach {
  const broken: BrokenDocument[] = []
  const first = new Set(roots)
  const waiting = [...roots].reverse()
  for (let link = waiting.pop(); link !== undefined; link = waiting.pop()) {
    if (known.has(link.digest)) continue
    known.set(link.digest, link)
    const found = links(link)
    if (found === undefined || found instanceof ToolError) {
      broken.push({ link, ...(found === undefined ? {} : { error: found }), isRoot: first.has(link) })
      continue
    }
    for (const content of found.contents) if (!known.has(content.digest)) known.set(content.digest, content)
    waiting.push(...found.documents.toReversed())
  }
  return { links: known, broken }
}
