import type { Descriptor } from '@pipelayer/oci'
import { blobSize, hasBlob, readBlob } from './blobs.js'
import type { UploadMemory } from './chunked-upload.js'
import { deleteManifest } from './deletion.js'
import { listTags } from './listing.js'
import { type FetchedManifest, getManifest, headManifest } from './manifests.js'
import { streamBlob } from './read-ahead.js'
import { listReferrers, putWithSubject } from './referrers.js'
import { Session, type SessionOptions } from './session.js'
import { mountBlob, type OpenBlob, uploadBlob } from './upload.js'

/**
 * One repository of a registry. The code that opens it closes it. Its methods may run at the same time.
 *
 * ```ts
 * const repository = new Repository({ domain: 'docker.io', path: 'library/debian' })
 * try {
 *   const { descriptor, bytes } = await repository.getManifest('12')
 * } finally {
 *   await repository.close()
 * }
 * ```
 */
export class Repository {
  readonly #session: Session

  constructor(options: SessionOptions) {
    this.#session = new Session(options)
  }

  /** See {@link getManifest}. */
  getManifest(reference: string): Promise<FetchedManifest> {
    return getManifest(this.#session, reference)
  }

  /** See {@link headManifest}. */
  headManifest(reference: string): Promise<Partial<Descriptor> | undefined> {
    return headManifest(this.#session, reference)
  }

  /** See {@link putWithSubject}. */
  putManifest(
    reference: string,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
  ): Promise<void> {
    return putWithSubject(this.#session, reference, manifest)
  }

  /** See {@link deleteManifest}. */
  deleteManifest(reference: string): Promise<boolean> {
    return deleteManifest(this.#session, reference)
  }

  /** See {@link hasBlob}. */
  hasBlob(descriptor: Descriptor): Promise<boolean> {
    return hasBlob(this.#session, descriptor)
  }

  /** See {@link blobSize}. */
  blobSize(digest: string): Promise<number | undefined> {
    return blobSize(this.#session, digest)
  }

  /** See {@link readBlob}. */
  readBlob(descriptor: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    return readBlob(this.#session, descriptor)
  }

  /** See {@link streamBlob}. */
  streamBlob(descriptor: Descriptor, from?: number): AsyncGenerator<Buffer, void, undefined> {
    return streamBlob(this.#session, descriptor, from)
  }

  /** See {@link mountBlob}. */
  mountBlob(descriptor: Descriptor, from: string): Promise<boolean> {
    return mountBlob(this.#session, descriptor, from)
  }

  /** See {@link uploadBlob}. */
  uploadBlob(descriptor: Descriptor, open: OpenBlob, memory?: UploadMemory): Promise<void> {
    return uploadBlob(this.#session, descriptor, { open, memory })
  }

  /** See {@link listTags}. */
  tags(): AsyncGenerator<string, void, undefined> {
    return listTags(this.#session)
  }

  /** See {@link listReferrers}. */
  referrers(digest: string, artifactType?: string): Promise<readonly Descriptor[]> {
    return listReferrers(this.#session, digest, artifactType)
  }

  /** Closes the connections; a transfer that still runs fails. */
  close(): Promise<void> {
    return this.#session.close()
  }
}
