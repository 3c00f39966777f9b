import { ToolError } from '@pipelayer/errors'
import { type Layout, pinOf, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import {
  type Descriptor,
  isDocument,
  isIndexType,
  isManifestType,
  parseManifest,
  ReferrerCache,
} from '@pipelayer/oci'
import { GRAMMAR, isRefName } from '@pipelayer/reference'
import type {
  NameIndex,
  OpenBlob,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceRepository,
  PlaceWriter,
  Published,
} from './place.js'

export interface LayoutPlaceOptions {
  /** Opens the layout. Without `create`, a layout that does not exist throws `LAYOUT_MISSING`. */
  open(create: boolean): Layout
  /** For messages: `oci:/srv/out`. */
  readonly text: string
  /** The reference name in index.json; undefined stands for the only image there. */
  readonly name: string | undefined
  /** The entry of index.json, from 0, in place of a name. Such a place is only read, not written. */
  readonly index?: number
  /** The digest of a manifest or an index, in place of a name. Such a place is only read, not written. */
  readonly digest?: string
  /** What {@link LayoutPlace.publish} returns. */
  readonly published: Published
  /** Leave the writing of the name to the caller. */
  readonly defersName: boolean
  /** See `PlaceOptions`. */
  readonly warn: PlaceOptions['warn']
  readonly verify: boolean
}

/** A repository of a layout: its images are named in full, and `prefix` stands before a name. */
export function repositoryOf(prefix: string, name: string): PlaceRepository {
  return { name, tagged: tag => `${prefix}${name}:${tag}` }
}

/** The index of a layout. */
export function nameIndexOf(layout: Layout): NameIndex {
  return { id: layout.root, write: entries => layout.tagAll(entries) }
}

/** The digests of the manifests and indexes among the entries of an index. */
export function listed(entries: readonly StoredDescriptor[]): readonly string[] {
  const images = entries.filter(({ mediaType }) => isManifestType(mediaType) || isIndexType(mediaType))
  return [...new Set(images.map(({ digest }) => digest))]
}

/** What refers to what, of all places of this process: a digest says the same everywhere. */
export const REFERRERS: ReferrerCache = new ReferrerCache()

type Entry = Pick<StoredDescriptor, 'digest'> & Partial<Pick<StoredDescriptor, 'mediaType' | 'size'>>

/** An OCI image layout as a place. The folder is made at the first write. */
export class LayoutPlace implements PlaceReader, PlaceWriter {
  readonly #options: LayoutPlaceOptions
  #layout: Layout | undefined

  constructor(options: LayoutPlaceOptions) {
    this.#options = options
  }

  async resolve(digest?: string): Promise<PlacedManifest> {
    const layout = this.#open()
    const entry: Entry = digest === undefined ? this.#entry(layout) : { digest }
    const bytes = layout.readBlob(entry.digest)
    const { text, warn } = this.#options
    const document = parseManifest(bytes, {
      mediaType: entry.mediaType,
      warn: (why, code) => warn?.(`${entry.digest} in ${text}: ${why}`, code),
    })
    if (entry.size !== undefined && entry.size !== bytes.length) {
      const message = `manifest ${entry.digest} has ${bytes.length} bytes, the index says ${entry.size}`
      throw new ToolError('SIZE_MISMATCH', message)
    }
    const descriptor = { mediaType: document.mediaType, digest: entry.digest, size: bytes.length }
    return { descriptor, bytes, document }
  }

  async blobSize(digest: string): Promise<number | undefined> {
    return this.#open().blobSize(digest)
  }

  blob({ digest }: Descriptor): AsyncIterable<Buffer> {
    return this.#open().openBlob(digest)
  }

  /** Those that index.json lists, as other tools write them: with or without a name. */
  async referrers(digest: string): Promise<readonly Descriptor[]> {
    const layout = this.#open()
    return REFERRERS.of(
      {
        manifests: () => listed(layout.index().manifests),
        hasManifest: listing => layout.hasBlob(listing),
        manifest: async listing => layout.readBlob(listing),
      },
      digest,
    )
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    const { digest, size } = descriptor
    try {
      const layout = this.#open()
      if (!layout.hasBlob(digest, size)) return false
      const isRead = this.#options.verify || isDocument(descriptor)
      return !isRead || (await layout.isIntact({ digest, size }))
    } catch (error) {
      if (error instanceof ToolError && error.code === 'LAYOUT_MISSING') return false
      throw error
    }
  }

  hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.hasBlob(descriptor)
  }

  async putBlob(descriptor: Descriptor, open: OpenBlob): Promise<void> {
    await this.#create().putBlob(open(), descriptor)
  }

  async putManifest({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    this.#create().putBytes(bytes, descriptor)
  }

  async publish({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    const layout = this.#create()
    layout.putBytes(bytes, descriptor)
    const { mediaType, digest, size, platform } = descriptor
    const { name, published, defersName } = this.#options
    layout.checkName(name, digest)
    const named = { mediaType, digest, size, ...(platform !== undefined && { platform }) }
    if (defersName)
      return { ...published, name: { index: nameIndexOf(layout), entry: { descriptor: named, name } } }
    layout.tag(named, name)
    return published
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS`; `MEDIA_TYPE_UNSUPPORTED` for an entry that is no image */
  #entry(layout: Layout): Entry {
    const { name, index, digest: given, text } = this.#options
    if (given !== undefined && layout.hasBlob(given)) return { digest: given }
    if (given !== undefined) throw new ToolError('MANIFEST_UNKNOWN', `there is no image ${given} in ${text}`)
    const entries = this.#entries(layout)
    const [entry, ...others] = entries
    if (entry === undefined) {
      const which = name ?? (index === undefined ? undefined : `@${index}`)
      const what = which === undefined ? 'no image' : `no image ${JSON.stringify(which)}`
      throw new ToolError('MANIFEST_UNKNOWN', `there is ${what} in ${text}${this.#misnamed(layout)}`)
    }
    if (others.length > 0) {
      const names = entries.map(other => other.annotations?.[REF_NAME] ?? other.digest).slice(0, 20)
      throw new ToolError('REFERENCE_AMBIGUOUS', `several images in ${text}, say which: ${names.join(', ')}`)
    }
    const { mediaType, digest } = entry
    if (!isManifestType(mediaType) && !isIndexType(mediaType))
      throw new ToolError('MEDIA_TYPE_UNSUPPORTED', `${digest} in ${text} is no image but ${mediaType}`)
    return entry
  }

  #entries(layout: Layout): readonly StoredDescriptor[] {
    const { name, index } = this.#options
    if (name !== undefined) return layout.resolve(name)
    const { manifests } = layout.index()
    return index === undefined ? manifests : manifests.slice(index, index + 1)
  }

  // If a name pins a digest and index.json has another digest under it, the entry is not that image.
  #misnamed(layout: Layout): string {
    const { name } = this.#options
    const pin = name === undefined ? undefined : pinOf(name)
    const entry = layout.index().manifests.find(({ annotations }) => annotations?.[REF_NAME] === name)
    if (pin === undefined || entry === undefined) return ''
    return `: what has this name is ${entry.digest}, and no index ${pin} is there that lists it`
  }

  #open(): Layout {
    this.#layout ??= this.#options.open(false)
    return this.#layout
  }

  #create(): Layout {
    const { name, index, digest, text } = this.#options
    const read = digest ?? index
    if (read !== undefined)
      throw new ToolError('PLACE_INVALID', `cannot write to ${text}:@${read}: give a name`)
    // A name that other tools could not read is not written.
    if (name !== undefined && !isRefName(name) && !GRAMMAR.reference.test(name))
      throw new ToolError(
        'PLACE_INVALID',
        `cannot write to ${text}: ${JSON.stringify(name)} is no name of an image`,
      )
    this.#layout ??= this.#options.open(true)
    return this.#layout
  }
}
