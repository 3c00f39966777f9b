import path from 'node:path'
import type { Digest } from '@pipelayer/digest'
import { type Batch, DistributionFolder, type FolderRepository, isName } from '@pipelayer/distribution-folder'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isDocument, parseManifest } from '@pipelayer/oci'
import { formatName, formatReference, parseNormalized, parseReference } from '@pipelayer/reference'
import { REFERRERS } from './layout-place.js'
import type {
  OpenBlob,
  Place,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceWriter,
  Published,
} from './place.js'

const TRANSPORT = 'registry-fs:'

/** The parts of a `registry-fs:` name. A repository in such a folder has no domain. */
interface FolderName {
  readonly root: string
  readonly name: string
  /** Undefined only if there is a digest. */
  readonly tag: string | undefined
  readonly digest: Digest | undefined
}

/**
 * `registry-fs:ROOT:NAME[:TAG][@DIGEST]`: a repository in the folder of a registry, `ROOT/docker/registry/v2`. The
 * first colon ends ROOT; NAME is the full path of the repository: `library/debian`, not `debian`.
 */
export function openRegistryFolder(rest: string, options: Pick<PlaceOptions, 'verify'> = {}): Place {
  const name = parseFolderName(rest)
  const place = new RegistryFolderPlace(name, options)
  return {
    traits: { isLocal: true, isStore: false, isStaged: true, isSerial: false },
    text: `${TRANSPORT}${name.root}:${name.name}`,
    reference: referenceOf(name),
    repository: {
      name: formatName(parseNormalized(referenceOf(name))),
      tagged: tag => `${TRANSPORT}${name.root}:${name.name}:${tag}`,
    },
    read: place,
    write: place,
    close: async () => place.close(),
  }
}

/**
 * Blobs are kept under temporary names until a manifest comes, and get their names with it, so that one flush is enough
 * for all.
 */
class RegistryFolderPlace implements PlaceReader, PlaceWriter {
  readonly #name: FolderName
  readonly #verify: boolean
  #batch: Batch | undefined

  constructor(name: FolderName, { verify = false }: Pick<PlaceOptions, 'verify'>) {
    this.#name = name
    this.#verify = verify
  }

  async resolve(digest?: Digest): Promise<PlacedManifest> {
    const repository = this.#open().repository(this.#name.name)
    const wanted = digest ?? this.#named(repository)
    const bytes = await repository.manifest(wanted)
    const document = parseManifest(bytes)
    return {
      descriptor: { mediaType: document.mediaType, digest: wanted, size: bytes.length },
      bytes,
      document,
    }
  }

  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    yield* this.#open().openBlob(digest)
  }

  async referrers(digest: Digest): Promise<readonly Descriptor[]> {
    return REFERRERS.of(this.#open().repository(this.#name.name), digest)
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#open().repository(this.#name.name).blob(digest)?.size
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    if (!this.#isThere()) return false
    if (this.#verify || isDocument(descriptor)) await this.#write().prove(descriptor)
    return this.#write().hasBlob(descriptor)
  }

  async hasManifest({ digest }: Descriptor): Promise<boolean> {
    return this.#isThere() && this.#open().repository(this.#name.name).hasManifest(digest)
  }

  putBlob(descriptor: Descriptor, open: OpenBlob): Promise<void> {
    return this.#write().putBlob(descriptor, async function* () {
      yield* open() as AsyncIterable<Buffer>
    })
  }

  async putManifest(manifest: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    await this.#put(manifest, [])
  }

  async publish(manifest: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    const { tag, digest } = this.#name
    if (digest !== undefined && digest !== manifest.descriptor.digest) {
      const message = `cannot put ${manifest.descriptor.digest} as ${format(this.#name)}: another digest`
      throw new ToolError('DIGEST_MISMATCH', message)
    }
    await this.#put(manifest, tag === undefined ? [] : [tag])
    return { place: format(this.#name) }
  }

  close(): void {
    this.#batch?.abort()
  }

  async #put(
    { descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array },
    tags: string[],
  ): Promise<void> {
    const batch = this.#write()
    batch.putManifest(descriptor.digest, bytes, tags)
    await batch.commit()
  }

  #named(repository: FolderRepository): Digest {
    const { digest, tag = '' } = this.#name
    const found = digest ?? repository.resolve(tag)
    if (found !== undefined) return found
    throw new ToolError('MANIFEST_UNKNOWN', `there is no image ${format(this.#name)}`)
  }

  #isThere(): boolean {
    return DistributionFolder.isThere(this.#name.root)
  }

  #open(): DistributionFolder {
    return DistributionFolder.open(this.#name.root)
  }

  #write(): Batch {
    const { root, name } = this.#name
    this.#batch ??= DistributionFolder.open(root, { create: true }).repository(name).batch()
    return this.#batch
  }
}

function parseFolderName(rest: string): FolderName {
  const colon = rest.indexOf(':')
  const text = rest.slice(colon + 1)
  if (colon < 1 || text === '')
    throw new ToolError(
      'PLACE_INVALID',
      `invalid place "${TRANSPORT}${rest}": expected ${TRANSPORT}ROOT:NAME[:TAG]`,
    )
  const reference = parseReference(text)
  const name = formatName(reference)
  if (!isName(name))
    throw new ToolError('PLACE_INVALID', `invalid place "${TRANSPORT}${rest}": no repository ${name}`)
  const { digest, tag = digest === undefined ? 'latest' : undefined } = reference
  return { root: path.resolve(rest.slice(0, colon)), name, tag, digest }
}

function format(place: FolderName): string {
  return `${TRANSPORT}${place.root}:${formatReference({ path: place.name, ...version(place) })}`
}

/**
 * A full reference whose path is the repository, so that an image keeps its name from folder to folder. Its domain is
 * Docker Hub's if a short name of Docker Hub has this path, else `localhost`.
 */
function referenceOf(place: FolderName): string {
  const { name } = place
  const { domain, path: hub } = parseNormalized(name)
  const isHub = domain === 'docker.io' && hub === name
  return formatReference({ domain: isHub ? domain : 'localhost', path: name, ...version(place) })
}

function version({ tag, digest }: FolderName): { readonly tag?: string; readonly digest?: Digest } {
  return { ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}
