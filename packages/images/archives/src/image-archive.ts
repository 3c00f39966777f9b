import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  type Index,
  isIndexType,
  isManifestType,
  MAX_DOCUMENT,
  type Manifest,
  parseLayerType,
  parseManifest,
} from '@pipelayer/oci'
import { type DockerImage, dockerAnnotations, isRunnable, manifestJson, repositoriesJson } from './docker.js'
import type { ArchiveOutput } from './output.js'
import { type ArchiveEntry, ArchiveWriter, entryOf } from './writer.js'

/** `docker`: with a `manifest.json`, so that every engine loads it. `oci`: the OCI layout alone. */
export type ArchiveForm = 'docker' | 'oci'

/** A manifest or an index with its bytes. */
export interface ArchivedDocument {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

export interface ImageArchiveOptions {
  readonly form: ArchiveForm
  /** For messages: `docker-archive:/srv/x.tar`. */
  readonly text: string
  /** Opens the output when the first blob comes, so that nothing is touched for images that cannot be put. */
  open(): Promise<ArchiveOutput>
}

/**
 * An archive that is being written: blobs as they come, each once, then the documents that name the images. Nobody sees
 * a file before {@link finish}; from stdout, nothing can be loaded before it. An archive that broke stays broken.
 *
 * Memory: the manifests of its images.
 */
export class ImageArchive {
  readonly #options: ImageArchiveOptions
  readonly #documents = new Map<string, Manifest | Index>()
  /** The names of each image by the digest of its root, in the order in which they came. */
  readonly #images = new Map<string, { readonly descriptor: Descriptor; readonly names: string[] }>()
  #started: Promise<Started> | undefined

  constructor(options: ImageArchiveOptions) {
    this.#options = options
  }

  /**
   * Whether the archive has a blob or a manifest.
   *
   * @throws ToolError `LAYER_UNSUPPORTED` for a layer that a Docker engine could not read
   */
  async has(descriptor: Descriptor): Promise<boolean> {
    this.#check(descriptor)
    return this.#started !== undefined && (await this.#started).writer.has(descriptor)
  }

  /**
   * Puts a blob. If it fails, the archive is broken: its bytes cannot be taken back.
   *
   * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `LAYER_UNSUPPORTED`; errors of the output and of `open`
   */
  async putBlob(descriptor: Descriptor, open: () => AsyncIterable<Buffer>): Promise<void> {
    this.#check(descriptor)
    const { mediaType, size } = descriptor
    const isKept = (isManifestType(mediaType) || isIndexType(mediaType)) && size <= MAX_DOCUMENT
    const kept: Buffer[] = []
    await this.#write(writer => writer.blob(descriptor, () => (isKept ? keeping(open(), kept) : open())))
    if (isKept && kept.length > 0) this.#remember(descriptor, Buffer.concat(kept))
  }

  async putDocument({ descriptor, bytes }: ArchivedDocument): Promise<void> {
    this.#remember(descriptor, bytes)
    await this.#write(writer => writer.blob(descriptor, () => once(bytes)))
  }

  /**
   * Puts the manifest or the index of an image, which will be found under these names.
   *
   * @param names - fully qualified with a tag for `docker`, any names for `oci`; none is allowed
   * @throws ToolError `MEDIA_TYPE_UNSUPPORTED` for content that is no image, in the form `docker`
   */
  async putImage({ descriptor, bytes }: ArchivedDocument, names: readonly string[]): Promise<void> {
    this.#remember(descriptor, bytes)
    if (this.#options.form === 'docker' && this.#runnable(descriptor.digest).length === 0) {
      const why = 'it is no container image, and docker load knows nothing else'
      throw new ToolError(
        'MEDIA_TYPE_UNSUPPORTED',
        `cannot put ${descriptor.digest} into ${this.#options.text}: ${why}`,
      )
    }
    await this.putDocument({ descriptor, bytes })
    const known = this.#images.get(descriptor.digest)
    if (known === undefined) this.#images.set(descriptor.digest, { descriptor, names: [...names] })
    else known.names.push(...names.filter(name => !known.names.includes(name)))
  }

  /** Writes the documents that name the images, and publishes the archive. @throws errors of the output */
  async finish(): Promise<void> {
    const images = this.#options.form === 'docker' ? this.#dockerImages() : []
    await this.#write(async writer => {
      if (this.#options.form === 'docker') {
        await writer.file('repositories', repositoriesJson(images))
        await writer.file('manifest.json', manifestJson(images))
      }
      await writer.end(this.#entries())
    })
    const { copied, output } = await this.#start()
    await copied
    await output.commit([...this.#images.values()].flatMap(({ names }) => names))
  }

  /** Gives up an archive that is not finished. It may be called at any time. */
  async abort(): Promise<void> {
    const started = await this.#started?.catch(() => undefined)
    if (started === undefined) return
    started.writer.fail(new Error('the archive is not wanted any more'))
    await started.copied.catch(() => undefined)
    await started.output.abort()
  }

  #entries(): ArchiveEntry[] {
    return [...this.#images.values()].flatMap(({ descriptor, names }) => {
      if (names.length === 0) return [entryOf(descriptor, undefined)]
      return names.map(name =>
        this.#options.form === 'docker'
          ? { ...descriptor, annotations: dockerAnnotations(name) }
          : entryOf(descriptor, name),
      )
    })
  }

  // manifest.json knows no platforms. Of an index, every image is listed, so that it can be loaded by its platform or its
  // number; but only the first has the names. If all had them, `docker load` would give a name to the last one, and
  // skopeo would take the first.
  #dockerImages(): DockerImage[] {
    const found = new Map<string, { readonly manifest: Manifest; readonly names: string[] }>()
    for (const { descriptor, names } of this.#images.values())
      for (const [index, [digest, manifest]] of this.#runnable(descriptor.digest).entries()) {
        const known = found.get(digest) ?? { manifest, names: [] }
        found.set(digest, known)
        if (index === 0) known.names.push(...names.filter(name => !known.names.includes(name)))
      }
    return [...found.values()]
  }

  // The images of a manifest or an index, in their order, by digest.
  #runnable(digest: string): [string, Manifest][] {
    const document = this.#documents.get(digest)
    if (document === undefined) return []
    if (document.kind === 'manifest') return isRunnable(document) ? [[digest, document]] : []
    return document.manifests.flatMap(entry => this.#runnable(entry.digest))
  }

  #remember({ digest, mediaType }: Descriptor, bytes: Uint8Array): void {
    if (this.#documents.has(digest)) return
    this.#documents.set(digest, parseManifest(Buffer.from(bytes), { mediaType }))
  }

  // The graph drivers of Docker read gzip at most; zstd came with engine 23. A media type of an image that is no layer, as
  // attestations have, goes into index.json alone.
  #check({ mediaType, digest }: Descriptor): void {
    const layer = parseLayerType(mediaType)
    if (this.#options.form === 'oci' || layer === undefined) return
    if (layer.compression === 'none' || layer.compression === 'gzip') return
    const why = `it is compressed as ${mediaType}, and older Docker engines read plain and gzip layers alone`
    const hint = 'oci-archive: takes it'
    throw new ToolError(
      'LAYER_UNSUPPORTED',
      `cannot put layer ${digest} into ${this.#options.text}: ${why}; ${hint}`,
    )
  }

  // A failure of the output breaks off the entry that is being written. It is the cause, so it is what is thrown.
  async #write(work: (writer: ArchiveWriter) => Promise<void>): Promise<void> {
    const started = await this.#start()
    if (started.failure !== undefined) throw started.failure.error
    try {
      await work(started.writer)
    } catch (error) {
      await started.copied.catch(() => undefined)
      throw causeOf(started, error)
    }
  }

  #start(): Promise<Started> {
    this.#started ??= this.#begin()
    return this.#started
  }

  async #begin(): Promise<Started> {
    const writer = await ArchiveWriter.create()
    const output = await this.#options.open()
    const started: Started = { writer, output, copied: copy(writer, output) }
    started.copied.catch((error: unknown) => {
      started.failure = { error }
    })
    try {
      await writer.begin()
    } catch (error) {
      await output.abort()
      throw causeOf(started, error)
    }
    return started
  }
}

interface Started {
  readonly writer: ArchiveWriter
  readonly output: ArchiveOutput
  /** Settles when all bytes went to the output, or the first failure of either side is known. */
  readonly copied: Promise<void>
  failure?: { readonly error: unknown }
}

function causeOf({ failure }: Started, error: unknown): unknown {
  return failure?.error ?? error
}

async function copy({ bytes }: ArchiveWriter, output: ArchiveOutput): Promise<void> {
  for await (const chunk of bytes) await output.write(chunk)
}

async function* keeping(
  source: AsyncIterable<Buffer>,
  kept: Buffer[],
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of source) {
    kept.push(chunk)
    yield chunk
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(bytes)
}
