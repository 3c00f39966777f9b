/**
 * img-verify: proves that the images of the local store are what their digests say.
 *
 * @module
 */
import type { Link } from '@pipelayer/collection'
import { ToolError } from '@pipelayer/errors'
import { findImage, nameOf, Summaries } from '@pipelayer/inventory'
import type { StoredDescriptor } from '@pipelayer/layout'
import { isIndexType, isManifestType, type Manifest, parseManifest } from '@pipelayer/oci'
import type { AnyRecord, FailedRecord, VerifiedRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { BlobCheck } from './blob-check.js'
import { DiffIDs, type FoundFault } from './diff-ids.js'

export interface ImgVerifyOptions {
  /** The store's folder. */
  readonly root: string
  /** Names, digests or ids of images; if there are none, everything that index.json names. */
  readonly names?: readonly string[]
  /** Decompress the layers, and compare them with the diffIDs of the config. */
  readonly deep?: boolean
  /** Move damaged blobs out of the way, so that they count as missing. */
  readonly repair?: boolean
  readonly signal?: AbortSignal
}

/**
 * Yields for each image a `failed` record for each fault, then a `verified` record. Each blob is read once, however many
 * images have it. A store that does not exist has no images. Memory: 1 MiB, and some 200 bytes for each blob.
 *
 * @throws ToolError `LAYOUT_INVALID`: index.json cannot be read; the system's errors
 */
export async function* imgVerify(options: ImgVerifyOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const { root, names = [] } = options
  const store = Store.openIfThere(root)
  if (store === undefined) {
    for (const name of names)
      yield missing(name, { code: 'MANIFEST_UNKNOWN', message: `no store in "${root}"` })
    return
  }
  const verifier = new Verifier(store, options)
  for (const entry of names.length === 0 ? store.index().manifests : imagesNamed(store, names)) {
    if ('digest' in entry) yield* verifier.image(entry as StoredDescriptor)
    else yield entry
  }
}

class Verifier {
  readonly #store: Store
  readonly #options: ImgVerifyOptions
  readonly #blobs: BlobCheck
  readonly #diffIDs: DiffIDs

  constructor(store: Store, options: ImgVerifyOptions) {
    this.#store = store
    this.#options = options
    this.#blobs = new BlobCheck(store)
    this.#diffIDs = new DiffIDs(store)
  }

  async *image(root: StoredDescriptor): AsyncGenerator<AnyRecord, void, undefined> {
    const reference = nameOf(root)
    const name = reference ?? root.digest
    const seen = new Map<string, Link>()
    let faults = 0
    for await (const fault of this.#faultsFrom(root, seen)) {
      faults++
      yield await this.#failed(fault, name)
    }
    yield {
      type: 'verified',
      ...(reference === undefined ? {} : { reference }),
      digest: root.digest,
      blobs: seen.size,
      size: [...seen.values()].reduce((sum, { size }) => sum + size, 0),
      faults,
    } satisfies VerifiedRecord
  }

  /** @param seen - receives the blobs of the image; each is visited once, so that indexes cannot lead in a circle */
  async *#faultsFrom(root: Link, seen: Map<string, Link>): AsyncGenerator<FoundFault, void, undefined> {
    const waiting: Link[] = [root]
    for (let link = waiting.pop(); link !== undefined; link = waiting.pop()) {
      this.#options.signal?.throwIfAborted()
      if (seen.has(link.digest)) continue
      seen.set(link.digest, link)
      const fault = await this.#blobs.faultOf(link)
      if (fault !== undefined && !isElsewhere(link, fault.code)) yield { ...fault, link }
      if (fault !== undefined || !isDocument(link)) continue
      const document = this.#parsed(link)
      if ('code' in document) {
        yield document
        continue
      }
      const children = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
      waiting.push(...children.toReversed())
      if (this.#options.deep && document.kind === 'manifest') yield* this.#deepFaults(document)
    }
  }

  // A layer that is damaged is told as that, so it is not decompressed.
  async *#deepFaults(manifest: Manifest): AsyncGenerator<FoundFault, void, undefined> {
    for (const link of [manifest.config, ...manifest.layers])
      if ((await this.#blobs.faultOf(link)) !== undefined) return
    yield* this.#diffIDs.faultsOf(manifest)
  }

  #parsed(link: Link): ReturnType<typeof parseManifest> | FoundFault {
    try {
      // That the names of OCI and of Docker are mixed up is not worth a fault: every reader of ours takes it.
      return parseManifest(this.#store.readBlob(link.digest), { mediaType: link.mediaType, warn: () => {} })
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      const message = `manifest ${link.digest} cannot be used: ${error.message}`
      return { code: error.code, message, isBroken: false, link }
    }
  }

  async #failed({ code, message, isBroken, link }: FoundFault, image: string): Promise<FailedRecord> {
    const { digest, mediaType, size } = link
    const isAside = isBroken && this.#options.repair === true
    // It was moved already where another image has the same blob.
    if (isAside) await this.#store.proveBlob({ digest, size })
    const hint = isAside ? '; it is set aside, so that the next pull fetches it' : ''
    const item = { digest, mediaType, size, ...(isAside ? { setAside: true } : {}) }
    return { type: 'failed', image, tool: 'img-verify', code, message: `${image}: ${message}${hint}`, item }
  }
}

function isDocument({ mediaType }: Link): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType)
}

/** A layer that may not be distributed, or is brought from an address of its own, need not be in the store. */
function isElsewhere(link: Link & { readonly urls?: unknown }, code: string): boolean {
  if (code !== 'BLOB_MISSING') return false
  return /nondistributable|foreign/.test(link.mediaType) || (Array.isArray(link.urls) && link.urls.length > 0)
}

/** The entries that names, digests or ids stand for; a `failed` record in place of one that stands for none. */
function* imagesNamed(store: Store, names: readonly string[]): Generator<StoredDescriptor | FailedRecord> {
  const summaries = new Summaries(store)
  for (const name of names)
    try {
      yield* findImage(store, name, summaries).entries
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      yield missing(name, error)
    }
}

function missing(image: string, { code, message }: Pick<ToolError, 'code' | 'message'>): FailedRecord {
  return { type: 'failed', image, tool: 'img-verify', code, message, item: { reference: image } }
}
