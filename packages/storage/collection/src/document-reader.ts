import fs from 'node:fs'
import { isDigest } from '@pipelayer/digest'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import type { Layout } from '@pipelayer/layout'
import {
  isIndexType,
  isManifestType,
  isObject,
  type JsonObject,
  MAX_DOCUMENT,
  parseObject,
} from '@pipelayer/oci'
import { openRegular } from '@pipelayer/sys'

/** A blob as a descriptor names it. */
export interface Link {
  readonly digest: string
  /** Bytes, as the descriptor says. */
  readonly size: number
  readonly mediaType: string
}

/** What a manifest or an index names. */
export interface DocumentLinks {
  /** Manifests and indexes. */
  readonly documents: readonly Link[]
  /** Configs and layers. */
  readonly contents: readonly Link[]
  /** The digest that the document refers to. It is not needed for the document. */
  readonly subject?: string
}

const OPEN_BRACE = 0x7b
const NONE: DocumentLinks = { documents: [], contents: [] }

/**
 * Reads what the documents of a layout name, each of them once. Memory: the links of all documents that were read.
 *
 * More is taken for a link than image-spec has: garbage collection must keep what any program may need.
 */
export class DocumentReader {
  readonly #layout: Pick<Layout, 'blobPath' | 'readBlob'>
  readonly #known = new Map<string, DocumentLinks | ToolError | undefined>()

  /** @param layout - where the documents lie; the folder of a registry can stand for a layout */
  constructor(layout: Pick<Layout, 'blobPath' | 'readBlob'>) {
    this.#layout = layout
  }

  /**
   * The links of a document; none for a blob of a type that we do not know and that is no JSON. Undefined where the
   * blob is missing.
   *
   * @returns the error where the document cannot be used: `DIGEST_MISMATCH`, `SIZE_INVALID`, `FILE_INVALID`,
   * `MANIFEST_INVALID`, `DOCUMENT_TOO_LARGE`, or the system's. What it names is then unknown.
   */
  links({ digest, mediaType }: Link): DocumentLinks | ToolError | undefined {
    // Whether a text that is no JSON is a fault depends on what the descriptor promises.
    const key = isKnown(mediaType) ? digest : `${digest} of an unknown type`
    if (!this.#known.has(key))
      this.#known.set(key, this.#read(digest, { mustBeDocument: isKnown(mediaType) }))
    return this.#known.get(key)
  }

  /** The links of a blob that may be a document; undefined where it is none, or is damaged. */
  linksIfDocument(digest: string): DocumentLinks | undefined {
    const found = this.#read(digest, { mustBeDocument: false })
    return found === NONE || found instanceof ToolError ? undefined : found
  }

  #read(
    digest: string,
    { mustBeDocument }: { readonly mustBeDocument: boolean },
  ): DocumentLinks | ToolError | undefined {
    if (!isDigest(digest)) return undefined
    try {
      if (!mustBeDocument && !mayBeDocument(this.#layout.blobPath(digest))) return NONE
      const bytes = this.#layout.readBlob(digest)
      return linksIn(parseObject(bytes, ['MANIFEST_INVALID', `the manifest ${digest}`]))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      if (!(error instanceof ToolError)) return asToolError(error, digest)
      if (error.code === 'BLOB_UNKNOWN') return undefined
      return !mustBeDocument && error.code === 'MANIFEST_INVALID' ? NONE : error
    }
  }
}

/** A layer of some megabytes is not read whole to learn that it is no document. */
function mayBeDocument(file: string): boolean {
  const { fd, size } = openRegular(file)
  try {
    const first = Buffer.alloc(1)
    return size <= MAX_DOCUMENT && fs.readSync(fd, first) === 1 && first[0] === OPEN_BRACE
  } finally {
    fs.closeSync(fd)
  }
}

/** An error of the system, such as a bad sector, makes one document unusable. */
function asToolError(error: unknown, digest: string): ToolError {
  const found = systemError(error, `read blob ${digest}`)
  if (found instanceof ToolError) return found
  throw error
}

/**
 * Everything that a document names in the fields of manifests, indexes, the artifact manifest of OCI 1.1-rc, and Docker's
 * manifests of schema 1.
 */
export function linksIn(document: JsonObject): DocumentLinks {
  const { config, layers, blobs, fsLayers, manifests, subject } = document
  const old = listOf(fsLayers).map(layer => ({ digest: isObject(layer) ? layer.blobSum : undefined }))
  const contents = [config, ...listOf(layers), ...listOf(blobs), ...old].flatMap(linkOf)
  const documents = listOf(manifests).flatMap(linkOf)
  const [target] = [subject].flatMap(linkOf)
  if (contents.length === 0 && documents.length === 0 && target === undefined) return NONE
  return {
    documents: [...documents, ...contents.filter(({ mediaType }) => isKnown(mediaType))],
    contents: contents.filter(({ mediaType }) => !isKnown(mediaType)),
    ...(target === undefined ? {} : { subject: target.digest }),
  }
}

function isKnown(mediaType: string): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

// A descriptor without a digest that a layout can hold names nothing here.
function linkOf(value: unknown): Link[] {
  if (!isObject(value) || !isDigest(value.digest)) return []
  const { digest, size, mediaType } = value
  return [
    {
      digest,
      size: typeof size === 'number' ? size : 0,
      mediaType: typeof mediaType === 'string' ? mediaType : '',
    },
  ]
}
