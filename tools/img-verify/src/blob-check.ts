import type { Link } from '@pipelayer/collection'
import { isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { proveFile } from '@pipelayer/layout'
import type { Store } from '@pipelayer/store'

/** Why a blob cannot be used. */
export interface Fault {
  readonly code: string
  readonly message: string
  /** The content is not that of the digest, so that the file is worth nothing. */
  readonly isBroken: boolean
}

type Content = { readonly size: number } | { readonly fault: Fault }

/** Reads blobs and compares them with their digests, each of them once however many images have it. */
export class BlobCheck {
  /** Bytes that were read. */
  bytes = 0
  readonly #store: Store
  readonly #known = new Map<string, Promise<Content>>()

  constructor(store: Store) {
    this.#store = store
  }

  /** What is wrong with a blob; undefined where it is whole and has the size of its descriptor. */
  async faultOf({ digest, size }: Link): Promise<Fault | undefined> {
    const known = this.#known.get(digest) ?? this.#read(digest)
    this.#known.set(digest, known)
    const content = await known
    if ('fault' in content) return content.fault
    if (content.size === size) return undefined
    const message = `blob ${digest} does not have the size of its descriptor: expected ${size} bytes, got ${content.size}`
    return { code: 'SIZE_MISMATCH', message, isBroken: false }
  }

  async #read(digest: string): Promise<Content> {
    if (!isDigest(digest))
      return faulty('DIGEST_UNSUPPORTED', `cannot check ${digest}: no hash of that name is known`)
    const file = this.#store.blobPath(digest)
    try {
      const found = await proveFile(file, digest)
      if (found === undefined) return faulty('BLOB_MISSING', `no blob ${digest} in the store`)
      this.bytes += found.size
      if (found.digest === digest) return { size: found.size }
      const message = `blob ${digest} is damaged: "${file}" has ${found.size} bytes of ${found.digest}`
      return { fault: { code: 'DIGEST_MISMATCH', message, isBroken: true } }
    } catch (error) {
      if (error instanceof ToolError)
        return faulty(error.code, `cannot check blob ${digest}: ${error.message}`)
      throw error
    }
  }
}

function faulty(code: string, message: string): Content {
  return { fault: { code, message, isBroken: false } }
}
