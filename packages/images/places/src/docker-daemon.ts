/**
 * `docker-daemon:NAME[:TAG]`, `docker-daemon:NAME@DIGEST`, `docker-daemon:ID`: an image of a Docker engine, or of podman
 * in its place. An image is read from the archive that the engine makes of it, and written as an archive that the engine
 * loads. Without a name, images are loaded that have none.
 *
 * @module
 */
import { ArchiveFile, type ArchiveOutput } from '@pipelayer/archives'
import type { Digest } from '@pipelayer/digest'
import { Engine, type EngineAddress, findEngine, type ImageLoad } from '@pipelayer/docker-engine'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, parseManifest } from '@pipelayer/oci'
import { familiar, formatReference, parseAny, parseNormalized, pinned } from '@pipelayer/reference'
import { ArchivePlaceWriter } from './archive-writing.js'
import { ArchiveReader, additionalTags } from './docker-archive.js'
import type { Place, PlacedManifest, PlaceOptions, PlaceReader, PlaceWriter } from './place.js'
import { refusing } from './refusing.js'

const TRANSPORT = 'docker-daemon:'

/** The parts of a `docker-daemon:` name. */
interface DaemonName {
  /** As the engine is asked for it: `app:1`, `app@sha256:...`, `sha256:...`; undefined for no name. */
  readonly asked: string | undefined
  /** Fully qualified, with a tag or a digest; undefined for an id. */
  readonly reference: string | undefined
  /** The id, or the digest of a name, which the image has to have. */
  readonly digest: Digest | undefined
}

/**
 * Which engine it is, is found out here; it is connected to when something is first asked of the place.
 *
 * @throws ToolError `PLACE_INVALID`, `REFERENCE_INVALID`; those of `findEngine`
 */
export function openDockerDaemon(rest: string, options: PlaceOptions): Place {
  const name = parseDaemon(rest)
  const address = findEngine(options.env ?? {})
  const reader = new DaemonReader(name, { ...options, address })
  const writer = writerOf(name, { ...options, address })
  return {
    traits: { isLocal: false, isStore: false, isStaged: false, isSerial: true },
    text: `${TRANSPORT}${name.asked ?? ''}`,
    get reference() {
      return reader.reference
    },
    read: reader,
    write: writer,
    close: async () => {
      await reader.close()
      await writer.close()
    },
  }
}

function parseDaemon(rest: string): DaemonName {
  if (rest === '') return { asked: undefined, reference: undefined, digest: undefined }
  const parsed = parseAny(rest)
  if (parsed.domain === undefined) {
    const { digest } = parsed
    return { asked: digest, reference: undefined, digest }
  }
  // An engine would take this for the beginning of an id.
  if (parsed.domain === 'docker.io' && parsed.path === 'library/sha256') {
    const why = 'an id has all of its 64 digits'
    throw new ToolError('PLACE_INVALID', `invalid place "${TRANSPORT}${rest}": ${why}`)
  }
  // As for Docker, a digest decides, and a tag beside it means nothing.
  const exact = pinned(parsed)
  return { asked: familiar(exact), reference: formatReference(exact), digest: exact.digest }
}

type DaemonOptions = PlaceOptions & { readonly address: EngineAddress }

/** Reads the one image of the archive that the engine makes. */
class DaemonReader implements PlaceReader {
  readonly #name: DaemonName
  readonly #options: DaemonOptions
  readonly #archive: ArchiveReader
  #isProven = true

  constructor(name: DaemonName, options: DaemonOptions) {
    this.#name = name
    this.#options = options
    const text = `${TRANSPORT}${name.asked ?? ''}`
    this.#archive = new ArchiveReader({ file: text }, () => this.#open(text))
  }

  /** The name of the image; none if it pins a digest that the engine could not show. */
  get reference(): string | undefined {
    return this.#isProven ? this.#name.reference : undefined
  }

  async resolve(digest?: string): Promise<PlacedManifest> {
    const found = await this.#archive.resolve(digest)
    if (digest === undefined) this.#check(found)
    return found
  }

  blob(descriptor: Descriptor): AsyncIterable<Buffer> {
    return this.#archive.blob(descriptor)
  }

  blobSize(digest: string): Promise<number | undefined> {
    return this.#archive.blobSize(digest)
  }

  close(): Promise<void> {
    return this.#archive.close()
  }

  async #open(text: string): Promise<ArchiveFile> {
    const { asked } = this.#name
    if (asked === undefined) {
      const forms = `${TRANSPORT}NAME[:TAG], ${TRANSPORT}NAME@DIGEST or ${TRANSPORT}ID`
      throw new ToolError('PLACE_INVALID', `invalid place "${TRANSPORT}": expected ${forms}`)
    }
    const { address, signal } = this.#options
    const engine = await Engine.connect(address, { signal })
    return ArchiveFile.of(engine.saved(asked), text)
  }

  // An id is the digest of a config, or of a manifest or an index where the engine keeps images in containerd. Engines
  // that keep no manifests know the digest of a name only from the registry that it came from.
  #check({ descriptor, document }: PlacedManifest): void {
    const { digest, reference, asked } = this.#name
    const ids = [descriptor.digest, ...(document.kind === 'manifest' ? [document.config.digest] : [])]
    if (
      digest === undefined ||
      (reference === undefined ? ids.includes(digest) : descriptor.digest === digest)
    )
      return
    const what = `the engine gave ${descriptor.digest} for ${asked}`
    if (reference === undefined) throw new ToolError('DIGEST_MISMATCH', what)
    this.#isProven = false
    const why = 'it does not keep the manifest that this digest is of, so the image has no name here'
    this.#options.warn?.(`${what}: ${why}`, 'DIGEST_LOST')
  }
}

function writerOf(
  { asked, reference, digest }: DaemonName,
  options: DaemonOptions,
): PlaceWriter & { close(): Promise<void> } {
  if (digest !== undefined)
    return refusing(`cannot write to ${TRANSPORT}${asked}: give a name with a tag, without a digest`)
  const names = [reference, ...additionalTags(options)].filter(name => name !== undefined)
  const published = {
    place: `${TRANSPORT}${asked ?? ''}`,
    ...(reference !== undefined && { reference }),
  }
  const open = () => openOutput(options)
  // All images of a run go into one archive.
  const writer = new ArchivePlaceWriter({ form: 'docker', open, names, text: TRANSPORT, published }, options)
  if (reference === undefined) return unnamed(writer)
  return writer
}

/** Says the id under which an image without a name is found. */
function unnamed(writer: ArchivePlaceWriter): PlaceWriter & { close(): Promise<void> } {
  return {
    hasBlob: descriptor => writer.hasBlob(descriptor),
    hasManifest: descriptor => writer.hasManifest(descriptor),
    putBlob: (descriptor, open) => writer.putBlob(descriptor, open),
    putManifest: manifest => writer.putManifest(manifest),
    publish: async manifest => {
      const document = parseManifest(Buffer.from(manifest.bytes))
      const id = document.kind === 'manifest' ? document.config.digest : manifest.descriptor.digest
      return { ...(await writer.publish(manifest)), place: `${TRANSPORT}${id}` }
    },
    close: () => writer.close(),
  }
}

async function openOutput({ address, signal }: DaemonOptions): Promise<ArchiveOutput> {
  const load = await (await Engine.connect(address, { signal })).load()
  return {
    write: chunk => load.write(chunk),
    commit: names => confirmed(load, names, address),
    abort: async () => load.abort(),
  }
}

// An engine that answers well and does not say what it has loaded may have loaded nothing.
async function confirmed(load: ImageLoad, names: readonly string[], { text }: EngineAddress): Promise<void> {
  const said = await load.finish()
  const loaded = new Set(said.map(fullName))
  const missing = names.filter(name => !loaded.has(name))
  if (said.length > 0 && missing.length === 0) return
  const what = missing.length === 0 ? 'any image' : missing.slice(0, 20).map(shortName).join(', ')
  throw new ToolError('LOAD_UNCONFIRMED', `the engine at ${text} did not say that it loaded ${what}`)
}

function fullName(text: string): string {
  try {
    return formatReference(pinned(parseNormalized(text)))
  } catch {
    // An id, or no name at all.
    return text
  }
}

function shortName(name: string): string {
  return familiar(parseNormalized(name))
}
