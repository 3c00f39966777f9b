import type { Unpack } from '@pipelayer/docker-folder'
import type { NamedEntry } from '@pipelayer/layout'
import type { Router } from '@pipelayer/mirrors'
import type { Descriptor, Index, Manifest } from '@pipelayer/oci'
import type {
  Budget,
  Connections,
  CredentialSource,
  RetryOptions,
  Timeouts,
  TlsSettings,
} from '@pipelayer/registry'
import type { Archives } from './archives.js'

/** A manifest or an index in a place, its bytes checked against its digest. */
export interface PlacedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
  readonly document: Manifest | Index
}

/**
 * Opens the content of a blob. It may be called more than once, if a transfer breaks. The content need not be checked.
 */
export type OpenBlob = () => AsyncIterable<Buffer>

/** A place to read an image from. */
export interface PlaceReader {
  /**
   * The manifest of a digest, or of the name that the place was opened with.
   *
   * @throws ToolError `MANIFEST_UNKNOWN` and its like
   */
  resolve(digest?: string): Promise<PlacedManifest>
  /** The bytes of a blob, unchecked: the caller compares size and digest. */
  blob(descriptor: Descriptor): AsyncIterable<Buffer>
  /** The manifests that refer to a manifest: signatures, SBOMs. Absent if the place cannot know them. */
  referrers?(digest: string): Promise<readonly Descriptor[]>
  /** The size, in bytes, of a blob of which only the digest is known; undefined if the place does not have it. */
  blobSize?(digest: string): Promise<number | undefined>
  /** The bytes of a blob from a position on. Only places have it for which a new start is expensive. */
  blobFrom?(descriptor: Descriptor, from: number): AsyncIterable<Buffer>
}

/** A place to write an image to. The order is: blobs, then child manifests, at last the named manifest. */
export interface PlaceWriter {
  /** Whether the place has a blob or a manifest. A blob of that digest with another size counts as absent. */
  hasBlob(descriptor: Descriptor): Promise<boolean>
  hasManifest(descriptor: Descriptor): Promise<boolean>
  /**
   * Puts a blob and checks it on its way, so that a wrong blob is never seen in the place. `from` names places that
   * hold the blob already.
   */
  putBlob(descriptor: Descriptor, open: OpenBlob, from?: readonly string[]): Promise<void>
  /** Puts a manifest that only an index will name. */
  putManifest(manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }): Promise<void>
  /**
   * Puts a manifest under the name that the place was opened with: the last, atomic step of publishing.
   *
   * @returns where it was put
   */
  publish(manifest: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }): Promise<Published>
}

/** An index that holds names and is replaced as a whole. */
export interface NameIndex {
  /** Equal for all places that write into the same index. */
  readonly id: string
  /** It is written once, after all images and only if all went well: an archive. */
  readonly isLast?: boolean
  /** Writes names in one step. */
  write(entries: readonly NamedEntry[]): void | Promise<void>
}

/** A name that is to be written into an index. */
export interface Name {
  readonly index: NameIndex
  readonly entry: NamedEntry
}

/** Properties of a kind of place. Programs ask these, and do not look at the text of the place. */
export interface PlaceTraits {
  /**
   * The blobs lie on this machine: putting them here sends nothing away, and a blob that is read may be any file of the
   * machine.
   */
  readonly isLocal: boolean
  /** It is the local store: its blobs have paths, and need not be fetched. */
  readonly isStore: boolean
  /** A blob is seen only together with a manifest of its repository, so each image has to put all of its blobs. */
  readonly isStaged: boolean
  /** It is one stream of bytes: images and blobs are put one after the other, always in the same order. */
  readonly isSerial: boolean
}

export interface Published {
  /** The place, written so that it can be read again. */
  readonly place: string
  /** The fully qualified reference of the image, if the place has references. */
  readonly reference?: string
  /** With the `archives` of a run: the name that is not written yet. The caller writes it, as the last step. */
  readonly name?: Name
}

/** A repository of a place. */
export interface PlaceRepository {
  /** `HOST/PATH`. */
  readonly name: string
  /** The place of the image of a tag. */
  tagged(tag: string): string
}

export interface Place {
  readonly traits: PlaceTraits
  /** The place without the name of an image, for messages and the field `from` of a record. It holds no secret. */
  readonly text: string
  /** Where the blobs are, once an image was resolved; the host that served it comes first. Absent means `text`. */
  readonly origins?: readonly string[]
  /** The repository of the image, where what refers to it may lie under tags of its own. Not all places have such. */
  readonly repository?: PlaceRepository
  /** The fully qualified reference that the place was opened with, unless its content turned out to be another. */
  readonly reference?: string | undefined
  readonly read: PlaceReader
  readonly write: PlaceWriter
  /** Says why nothing can be written to a place of this kind, and what to use instead. Then `write` throws this. */
  readonly readOnly?: string
  close(): Promise<void>
}

/** How registries are spoken to. */
export interface RegistryOptions {
  /** Speak plain HTTP to registries that are not loopback. */
  readonly plainHttp?: boolean
  /** Credentials to use in place of the files that the environment names. */
  readonly credentials?: CredentialSource
  /** Certificates for all registries. Those of `certificates` are used in addition. */
  readonly tls?: TlsSettings
  /** Folders that hold certificates by host, in place of the usual folders. */
  readonly certificates?: readonly string[]
  /** Finds the mirrors of a repository. Without it there are none. */
  readonly route?: Router
  /** Connections that all places of a run share. Without it, each place has its own. */
  readonly connections?: Connections
  /** How many requests each host gets. */
  readonly budget?: Budget
  readonly retry?: Partial<RetryOptions>
  readonly timeouts?: Partial<Timeouts>
}

/** What all places of a run share, where they are opened one after the other for many images. */
export interface RunOptions {
  /**
   * The archives that the run writes. With it, the caller writes the names that places return: those of many images at
   * once, since an index is replaced as a whole, and those of an archive at its end. Without it, an image is named as
   * soon as it is published, and an archive holds that one alone.
   */
  readonly archives?: Archives
  /** Further names of an image that is put into an archive under a name. */
  readonly additionalTags?: readonly string[]
  /** Gives the bytes of an archive that is called `-`. Without it, such a place is not read. */
  readonly stdin?: () => AsyncIterable<Buffer>
  /** Takes the bytes of an archive that is called `-`. Without it, such a place is not written. */
  readonly stdout?: (chunk: Buffer) => Promise<void>
  /** Unpacks a layer for a Docker engine. Without it, no folder of an engine is written. */
  readonly unpack?: Unpack
}

export interface PlaceOptions {
  /** The local store's folder. */
  readonly store: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
  readonly registries?: RegistryOptions
  readonly run?: RunOptions
  /**
   * Read the blobs that a layout, the store or a folder has already, and treat damaged ones as absent. Without it only
   * documents are read, and for layers only the size is compared.
   */
  readonly verify?: boolean
  /** Is called for a problem that was solved, such as a transfer that is tried again. */
  readonly warn?: (message: string, code?: string) => void
}
