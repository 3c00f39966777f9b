import { isDeepStrictEqual } from 'node:util'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, type Index, type Manifest, parseManifest } from '@pipelayer/oci'
import { type Limit, limitTo, type Place, type Published, readDocument } from '@pipelayer/places'
import type { ManifestRecord } from '@pipelayer/records'
import type { ClosedImage, Part } from './parts.js'
import { type BlobSource, inline, type OpenOptions } from './source.js'
import type { Uploads } from './uploads.js'

/** How many transfers run at a time. */
const PARALLEL = 5
/** How deep indexes may be nested in indexes. */
const MAX_DEPTH = 4

export interface PutOptions {
  readonly root: ManifestRecord
  readonly image: ClosedImage
  readonly source: Pick<BlobSource, 'opener'>
  /** Where it goes. */
  readonly place: Pick<Place, 'traits' | 'text' | 'write'>
  /** Only find out what would be put. */
  readonly dryRun?: boolean | undefined
  /** The uploads of the run. */
  readonly uploads: Uploads
}

/** The result for one image: where it is, or, in a dry run, what would be done. */
export type Put = Published | Planned

export interface Planned {
  /** The blobs and manifests that have to be put: blobs first, then manifests in their order, the named one last. */
  readonly put: readonly Part[]
  /** The blobs and manifests that the target has already. */
  readonly there: readonly Descriptor[]
}

interface Document {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
  readonly document: Manifest | Index
}

/** All that has to be done for an image. It is checked to be possible before any of it is done. */
interface Plan {
  readonly blobs: Map<string, { readonly part: Part; readonly open: () => AsyncIterable<Buffer> }>
  /** Children before their index. */
  readonly manifests: Document[]
  /** The blobs and manifests that the target has. */
  readonly there: Map<string, Descriptor>
}

/**
 * Puts one image: first everything that its manifests name is looked for, in the records and in the target; then
 * blobs are put side by side, then child manifests, and at last the manifest that names it all.
 *
 * @throws ToolError `BLOB_MISSING`, `CONFIG_EDITED`, `SIZE_MISMATCH`, `DIGEST_MISMATCH`; those of `parseManifest` and
 * of the place. Nothing is published then.
 */
export async function putImage(options: PutOptions): Promise<Put> {
  const abort = new AbortController()
  const task = new ImagePut(options, abort.signal)
  try {
    return await task.run()
  } finally {
    abort.abort()
  }
}

class ImagePut {
  readonly #options: PutOptions
  readonly #how: OpenOptions
  readonly #limit: Limit
  /** The configs that were read already. */
  readonly #configs = new Map<string, Buffer>()
  readonly #plan: Plan = { blobs: new Map(), manifests: [], there: new Map() }

  constructor(options: PutOptions, signal: AbortSignal) {
    this.#options = options
    this.#limit = limitTo(options.place.traits.isSerial ? 1 : PARALLEL)
    this.#how = { signal, leaves: !options.place.traits.isLocal }
  }

  async run(): Promise<Put> {
    const { root, dryRun, uploads, place } = this.#options
    await this.#planManifest(root, 0)
    if (dryRun) return this.#planned()
    const blobs = [...this.#plan.blobs.values()]
    const target = place.traits.isStaged ? undefined : place.text
    await this.#all(blobs, ({ part, open }) =>
      uploads.put(part.digest, target, from => place.write.putBlob(part, open, origins(part, from))),
    )
    const last = this.#plan.manifests.pop()
    if (last === undefined) throw new ToolError('BLOB_MISSING', 'there is no manifest to put')
    for (const child of this.#plan.manifests) await place.write.putManifest(child)
    return place.write.publish(last)
  }

  #planned(): Planned {
    const { blobs, manifests, there } = this.#plan
    const documents = manifests.map(({ descriptor }) => descriptor)
    const parts = [...blobs.values()].map(({ part }) => ({
      ...part,
      from: origins(part, this.#options.uploads.placeOf(part.digest)),
    }))
    return { put: [...parts, ...documents], there: [...there.values()] }
  }

  async #planManifest(record: ManifestRecord, depth: number): Promise<void> {
    if (depth > MAX_DEPTH)
      throw new ToolError('MANIFEST_INVALID', `indexes nested deeper than ${MAX_DEPTH} levels`)
    const bytes = await this.#read(record)
    const document = parseManifest(bytes, { mediaType: record.mediaType })
    if (document.kind === 'index') {
      for (const entry of document.manifests) await this.#planEntry(entry, depth)
    } else {
      await this.#checkConfig(record.image, document.config)
      await this.#all([...document.layers, document.config], blob => this.#planBlob(blob))
    }
    const { digest, size } = record
    this.#plan.manifests.push({
      descriptor: { mediaType: document.mediaType, digest, size },
      bytes,
      document,
    })
  }

  async #planEntry(entry: Descriptor, depth: number): Promise<void> {
    const child = this.#options.image.manifests.get(entry.digest)
    if (child !== undefined) await this.#planManifest(child.record, depth + 1)
    else if (await this.#options.place.write.hasManifest(entry)) this.#plan.there.set(entry.digest, entry)
    else await this.#planBlob(entry)
  }

  async #planBlob(blob: Descriptor): Promise<void> {
    const { digest, size, data } = blob
    const { image, place, source } = this.#options
    const part = image.blobs.get(digest)
    if (part !== undefined && part.size !== size) {
      const message = `the manifest says that blob ${digest} has ${size} bytes, its record ${part.size}`
      throw new ToolError('SIZE_MISMATCH', message)
    }
    if (this.#plan.blobs.has(digest) || this.#plan.there.has(digest)) return
    if (await place.write.hasBlob(blob)) return void this.#plan.there.set(digest, blob)
    const known = this.#configs.get(digest)?.toString('base64') ?? data
    const open = known === undefined ? undefined : () => inline(known)
    if (open === undefined && part === undefined) {
      throw new ToolError('BLOB_MISSING', `the manifest names ${digest}, but no record came with it`)
    }
    this.#plan.blobs.set(digest, {
      part: part ?? blob,
      open: open ?? source.opener(part ?? blob, this.#how),
    })
  }

  // People and filters edit the document in the record, but the blob is what is put. If the two differ, the edit would
  // be lost.
  async #checkConfig(image: string, config: Descriptor): Promise<void> {
    const record = this.#options.image.configs.get(image)
    if (record === undefined) return
    const hint = 'put manifest-gen after the edit'
    if (record.digest !== config.digest) {
      const message = `the config record is ${record.digest ?? 'without a blob'}, the manifest names ${config.digest}: ${hint}`
      throw new ToolError('CONFIG_EDITED', message)
    }
    const bytes = await this.#read({ ...config, ...this.#options.image.blobs.get(config.digest) })
    this.#configs.set(config.digest, bytes)
    if (isDeepStrictEqual(JSON.parse(bytes.toString('utf8')), record.config)) return
    throw new ToolError(
      'CONFIG_EDITED',
      `the document of config ${config.digest} is not what its blob says: ${hint}`,
    )
  }

  #read(part: Part): Promise<Buffer> {
    return readDocument(part, this.#options.source.opener(part, this.#how))
  }

  // The first failure stops the other tasks, and is thrown when they have stopped.
  async #all<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    let stopped = false
    const runs = items.map(item => this.#limit(async () => (stopped ? undefined : work(item))))
    try {
      await Promise.all(runs)
    } catch (error) {
      stopped = true
      await Promise.allSettled(runs)
      throw error
    }
  }
}

/** The places that hold a blob. The one where this run has put it comes first. */
export function origins({ from = [] }: Part, known: string | undefined): readonly string[] {
  return known === undefined ? from : [known, ...from]
}
