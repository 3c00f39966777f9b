/**
 * The record types of the tools that keep the local store.
 *
 * @module
 */
import type { AnyRecord } from './types.js'

/** Something that nobody needs. Made by img-gc when it is removed, or with --dry-run in place of that. */
export interface GarbageRecord extends AnyRecord {
  readonly type: 'garbage'
  readonly kind:
    | 'blob'
    | 'step'
    | 'layer'
    | 'context'
    | 'cache'
    | 'git'
    | 'http'
    | 'partial'
    | 'push'
    | 'damaged'
    | 'temporary'
  /** Of a blob, and of the first bytes of one. */
  readonly digest?: string
  /** Absolute. */
  readonly path: string
  /** Bytes of disk that it takes. */
  readonly size: number
  /**
   * `unreferenced`: no image needs it. `unused`: nobody used it for long. `over-limit`: it was used longest ago, and
   * there is more than was to be kept. `left-behind`: the process that made it is gone.
   */
  readonly reason: 'unreferenced' | 'unused' | 'over-limit' | 'left-behind'
  readonly removed: boolean
}

/** What takes the space of a store: one kind of content, or one image. Made by img-du. */
export interface UsageRecord extends AnyRecord {
  readonly type: 'usage'
  /** `image`, or a kind of content. */
  readonly kind: string
  /** Blobs of an image; else blobs, trees or files. */
  readonly count: number
  /** Bytes of disk. */
  readonly size: number
  /** Of an image that has a name. */
  readonly reference?: string
  /** Of an image. */
  readonly digest?: string
  /** Bytes of disk that no other image needs. */
  readonly own?: number
  /** Bytes of disk that other images need as well. */
  readonly shared?: number
}

/** An image of a store whose blobs were all read. Made by img-verify, after a `failed` record for each fault. */
export interface VerifiedRecord extends AnyRecord {
  readonly type: 'verified'
  readonly reference?: string
  readonly digest: string
  /** How many blobs were read. */
  readonly blobs: number
  /** Bytes that were read. */
  readonly size: number
  readonly faults: number
}
