/**
 * The record types of programs that show what a store has: see `types.ts`.
 *
 * @module
 */
import type { AnyRecord, ReferenceRecord } from './types.js'

/** An image of a store. Made by img-ls. */
export interface StoredImageRecord extends ReferenceRecord {
  /** The name in the store; absent for an image without one. */
  readonly name?: string
  readonly mediaType: string
  /** Digest of the manifest or the index. */
  readonly digest: string
  /** Bytes of that document. */
  readonly size: number
  /** Bytes of all blobs of the image, as they are stored. */
  readonly contentSize: number
  /** RFC 3339; the newest of its platforms. */
  readonly created?: string
  /** Each `os/architecture[/variant]`. */
  readonly platforms: readonly string[]
  /** Digests of the configs, which are Docker's image ids. */
  readonly configs: readonly string[]
}

/** A name that was taken out of a store. Made by img-rm. */
export interface RemovedRecord extends ReferenceRecord {
  readonly name?: string
  readonly digest: string
  readonly removed: true
  /** With the last name of an image: those of its blobs that no other image needs. */
  readonly unreferenced?: readonly { readonly digest: string; readonly size: number }[]
}

/** The documents of an image, with the names and meanings of `docker inspect`. Made by img-inspect. */
export interface ImageRecord extends AnyRecord {
  readonly type: 'image'
  /** Digest of the config. */
  readonly Id: string
  /** Digest of the manifest. */
  readonly Digest: string
  readonly RootFS: { readonly Type: 'layers'; readonly Layers: readonly string[] }
}

/** One step of the history of an image. Made by img-history. */
export interface HistoryRecord extends AnyRecord {
  readonly type: 'history'
  /** RFC 3339, as the image has it. */
  readonly created?: string
  readonly createdBy?: string
  readonly comment?: string
  readonly author?: string
  /** The step made no layer. */
  readonly emptyLayer?: true
  /** The blob of the layer that the step made; `size` in bytes. */
  readonly mediaType?: string
  readonly digest?: string
  readonly size?: number
  readonly diffID?: string
  readonly chainID?: string
}
