/**
 * The record types of the tools that show and keep the local store.
 *
 * @module
 */
import type { AnyRecord, ReferenceRecord } from './types.js'

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
    | 'manifest'
    | 'link'
    | 'upload'
  /** Of a blob, and of the first bytes of one. */
  readonly digest?: string
  /** Absolute. */
  readonly path: string
  /** Bytes of disk that it takes. */
  readonly size: number
  /**
   * `unreferenced`: no image needs it. `unused`: nobody used it for long. `over-limit`: it was used longest ago, and
   * there is more than was to be kept. `left-behind`: the process that made it is gone. `untagged`: no
   * tag of its repository leads to it.
   */
  readonly reason: 'unreferenced' | 'unused' | 'over-limit' | 'left-behind' | 'untagged'
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

/** A mounted overlay. Made by ovl-mount, when it mounts, lists or unmounts it. Directories are absolute. */
export interface MountRecord extends AnyRecord {
  readonly type: 'mount'
  /** Key of the image in this stream. */
  readonly image: string
  readonly target: string
  /** The name of the image that it shows. */
  readonly reference?: string
  /** Nearest first, as in `lowerdir`. */
  readonly lowers: readonly string[]
  /** Where what is written goes; absent where the mount is read-only. */
  readonly upper?: string
  readonly work?: string
  /** Prefix of the overlay xattrs in lowers and upper. */
  readonly xattrs: 'trusted' | 'user'
  /** Who mounted it. */
  readonly uid: number
  readonly created: string
  /**
   * `private`: only the command of the process `pid` sees it. `elsewhere`: it is not seen here, but other processes may
   * still use it.
   */
  readonly state: 'mounted' | 'mounting' | 'private' | 'elsewhere' | 'unmounted'
  readonly pid?: number
}

/** One thing in which two cluster images differ. Made by cluster-image. */
export interface DifferenceRecord extends AnyRecord {
  readonly type: 'difference'
  readonly what:
    | 'name'
    | 'platform'
    | 'dialect'
    | 'type'
    | 'user'
    | 'workdir'
    | 'entrypoint'
    | 'cmd'
    | 'label'
    | 'env'
    | 'image'
    | 'file'
  /** Of a label, variable, image or file: which one; else the same as `what`. */
  readonly name: string
  /** Absent where only the second image has it. Lists are JSON; of a file it is its type, or that it was other. */
  readonly before?: string
  /** Absent where only the first image has it. */
  readonly after?: string
}
