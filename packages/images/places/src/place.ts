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

/** A manifest or an index in a place, its bytes checked against its digest. */
export interface PlacedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
  readonly document: Manifest | Index
}

/** Opens the content of a blob; perhaps more than once, when a transfer breaks. It need not be checked. */
export type OpenBlob = () => AsyncIterable<Buffer>

/** Where an image comes from. */
export interface PlaceReader {
  /**
   * The manifest of a digest, or of the name that the place was opened with.
   *
   * @throws ToolError `MANIFEST_UNKNOWN` and its like
   */
  resolve(digest?: string): Promise<PlacedManifest>
  /** The bytes of a blob, unchecked: whoever takes them compares size and digest. */
  blob(descriptor: Descriptor): AsyncIterable<Buffer>
  /** What refers to a manifest: signatures, SBOMs. Absent where the place does not know. */
  referrers?(digest: string): Promise<readonly Descriptor[]>
  /** Bytes of a blob of which only the digest is known; undefined when it is not there. */
  blobSize?(digest: string): Promise<number | undefined>
  /** The bytes from a position on, where the way is so long that beginning anew costs. */
  blobFrom?(descriptor: Descriptor, from: number): AsyncIterable<Buffer>
}

/** Where an image goes to: blobs first, then child manifests, the named manifest last. */
export interface PlaceWriter {
  /** Also of manifests. A blob of that digest with another size counts as absent. */
  hasBlob(descriptor: Descriptor): Promise<boolean>
  hasManifest(descriptor: Descriptor): Promise<boolean>
  /**
   * Puts a blob, checked on its way: nothing wrong is ever seen in the place. `from` names places that hold it
   * already.
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
  /** The same for all places that write into the same index. */
  readonly id: string
  /** Writes names in one step. */
  write(entries: readonly NamedEntry[]): void
}

/** A name that is to be written into an index. */
export interface Name {
  readonly index: NameIndex
  readonly entry: NamedEntry
}

/** What kind of place it is. Nobody reads a place's text to find out. */
export interface PlaceTraits {
  /** Its blobs lie on this machine: what is put there does not leave it, and what is read may be a file of anybody's. */
  readonly isLocal: boolean
  /** It is the local store: its blobs have paths there, and need not be brought. */
  readonly isStore: boolean
  /** Blobs are seen only together with their manifest: each image brings its own. */
  readonly isStaged: boolean
}

export interface Published {
  /** The place, written so that it can be read again. */
  readonly place: string
  /** Its fully qualified reference, where the place has such. */
  readonly reference?: string
  /** With `defersNames`: the last step, left to the caller. */
  readonly name?: Name
}

export interface Place {
  readonly traits: PlaceTraits
  /** The place without the name of an image, for messages and a record's `from`. Holds no secret. */
  readonly text: string
  /** Where its blobs are, once an image was resolved: the host that served it first. `text`, unless said. */
  readonly origins?: readonly string[]
  /** Of a registry: `HOST/PATH`. Blobs can be mounted from one repository of it into another. */
  readonly repository?: string
  /** The fully qualified reference that it was opened with. */
  readonly reference?: string
  readonly read: PlaceReader
  readonly write: PlaceWriter
  close(): Promise<void>
}

/** How registries are spoken to. */
export interface RegistryOptions {
  /** Speak plain HTTP to registries that are not loopback. */
  readonly plainHttp?: boolean
  /** In place of the files that the environment leads to. */
  readonly credentials?: CredentialSource
  /** Certificates for all registries; those of `certificates` come on top. */
  readonly tls?: TlsSettings
  /** Folders of certificates by host, in place of the usual ones. */
  readonly certificates?: readonly string[]
  /** The way to a repository: its mirrors. Without it there are none. */
  readonly route?: Router
  /** What the places of a run share of their registries. Without it each has its own. */
  readonly connections?: Connections
  /** How many requests each host gets. */
  readonly budget?: Budget
  readonly retry?: Partial<RetryOptions>
  readonly timeouts?: Partial<Timeouts>
}

export interface PlaceOptions {
  /** The local store's folder. */
  readonly store: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
  readonly registries?: RegistryOptions
  /** Leave the index of a layout to the caller: it is replaced as a whole, once for many images. */
  readonly defersNames?: boolean
  /**
   * Read the blobs that a layout, the store or a folder has already, and count those that are damaged as absent. Without it
   * documents alone are read, and layers count by their size.
   */
  readonly verify?: boolean
  /** Told of what went wrong and was mended: a transfer that is tried again. */
  readonly warn?: (message: string, code?: string) => void
}
