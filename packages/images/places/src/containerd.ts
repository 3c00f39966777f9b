/**
 * `containerd:ROOT[:NAMESPACE][:REFERENCE|:DIGEST]`: images in the folder of containerd, `/var/lib/containerd`, or in that
 * of Docker's image store, `/var/lib/docker/containerd/daemon`. It is read while containerd runs, and never written.
 *
 * @module
 */
import path from 'node:path'
import { ContainerdFolder, fullName, isNamespace } from '@pipelayer/containerd-folder'
import { type Digest, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, formatPlatform } from '@pipelayer/oci'
import { LayoutPlace } from './layout-place.js'
import type { Place, PlacedManifest, PlaceOptions, PlaceReader } from './place.js'
import { refusing } from './refusing.js'

const TRANSPORT = 'containerd:'
/** Docker keeps images that lost their names under this one. */
const DANGLING = 'moby-dangling@'
/** How many manifests of an index are looked at, to say which platforms are there. */
const MAX_LISTED = 1000

/** The parts of a `containerd:` name. */
export interface ContainerdName {
  readonly root: string
  readonly namespace?: string
  readonly reference?: string
  readonly digest?: Digest
}

/** The database is read when the image is first asked for. */
export function openContainerd(rest: string, options: Pick<PlaceOptions, 'warn'> = {}): Place {
  const name = parseContainerd(rest)
  const { reference } = name
  const text = textOf(name)
  const readOnly =
    `cannot write to ${text}: only containerd may write its database: ` +
    'use oci-archive:FILE and "ctr images import FILE", for Docker docker-archive:FILE and "docker load --input FILE"'
  const full = reference === undefined || reference.startsWith(DANGLING) ? undefined : fullName(reference)
  return {
    traits: { isLocal: true, isStore: false, isStaged: false, isSerial: false },
    text,
    ...(full !== undefined && { reference: full }),
    read: new ContainerdReader(name, options),
    write: refusing(readOnly),
    readOnly,
    close: async () => undefined,
  }
}

/**
 * The place of each image, if the name says none. An image is listed by its tags; a name with a digest, and the id by
 * which Kubernetes knows it, only if it has no others.
 */
export function containerdImages(rest: string): readonly string[] {
  const name = parseContainerd(rest)
  if (name.reference !== undefined || name.digest !== undefined) return [TRANSPORT + rest]
  const folder = new ContainerdFolder(name.root, name.namespace)
  const images = [...folder.images()]
  const rankOf = (image: string): number => (image.includes('@') ? 1 : isDigest(image) ? 2 : 0)
  const best = new Map<Digest, number>()
  for (const [image, { digest }] of images)
    best.set(digest, Math.min(rankOf(image), best.get(digest) ?? Number.POSITIVE_INFINITY))
  const listed = images.filter(([image, { digest }]) => rankOf(image) === best.get(digest))
  const where = textOf({ root: name.root, namespace: folder.namespace })
  return [...new Set(listed.map(([image, { digest }]) => `${where}:${isDigest(image) ? digest : image}`))]
}

/**
 * Splits the text after `containerd:`. The first colon ends ROOT. What follows is a namespace up to the next colon, unless
 * no namespace can be called so, as `docker.io/library/debian`.
 *
 * @throws ToolError `PLACE_INVALID`
 */
export function parseContainerd(rest: string): ContainerdName {
  const [directory, after] = splitOnce(rest)
  if (directory === '')
    throw new ToolError(
      'PLACE_INVALID',
      `invalid place "${TRANSPORT}${rest}": expected ${TRANSPORT}ROOT[:NAMESPACE[:REFERENCE]]`,
    )
  const root = path.resolve(directory)
  const [first, behind] = splitOnce(after)
  const isNamed = isNamespace(first) && !isDigest(after)
  const image = isNamed || first === '' ? behind : after
  return {
    root,
    ...(isNamed && { namespace: first }),
    ...(isDigest(image) ? { digest: image } : image !== '' && { reference: image }),
  }
}

function splitOnce(text: string): readonly [before: string, after: string] {
  const colon = text.indexOf(':')
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
}

function textOf({ root, namespace }: Pick<ContainerdName, 'root' | 'namespace'>): string {
  return TRANSPORT + root + (namespace === undefined ? '' : `:${namespace}`)
}

/** Reads an image, and says why parts of it are not there: containerd need not keep a whole image. */
class ContainerdReader implements PlaceReader {
  readonly #folder: ContainerdFolder
  readonly #layout: LayoutPlace
  readonly #shown: string
  /** What the name stands for, once that is known. */
  #root: PlacedManifest | undefined

  constructor(name: ContainerdName, { warn }: Pick<PlaceOptions, 'warn'>) {
    const { root, namespace, reference, digest } = name
    this.#folder = new ContainerdFolder(root, namespace)
    const asked = reference ?? digest
    this.#shown = asked === undefined ? 'the image' : `image ${asked}`
    const text = textOf(name)
    this.#layout = new LayoutPlace({
      open: () => this.#folder,
      text,
      name: reference,
      ...(digest !== undefined && { digest }),
      published: { place: text },
      defersName: false,
      warn,
      verify: false,
    })
  }

  async resolve(digest?: Digest): Promise<PlacedManifest> {
    try {
      const found = await this.#layout.resolve(digest)
      if (digest === undefined) this.#root = found
      return found
    } catch (error) {
      throw await this.#explained(error)
    }
  }

  blobSize(digest: Digest): Promise<number | undefined> {
    return this.#layout.blobSize(digest)
  }

  async *blob(descriptor: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* this.#layout.blob(descriptor)
    } catch (error) {
      throw await this.#explained(error)
    }
  }

  async #explained(error: unknown): Promise<unknown> {
    if (!(error instanceof ToolError) || error.code !== 'BLOB_UNKNOWN' || this.#root === undefined)
      return error
    const platforms = await this.#platforms(this.#root)
    const why =
      platforms.length > 0
        ? `${this.#shown} was pulled for ${platforms.join(', ')} only`
        : 'containerd did not keep it, as where it is told to discard layers that are unpacked: fetch it again by ' +
          `"ctr --namespace ${this.#folder.namespace} content fetch NAME"`
    return new ToolError(error.code, `${error.message}: ${why}`, { cause: error })
  }

  /** The platforms of which all blobs are there. */
  async #platforms({ document }: PlacedManifest): Promise<readonly string[]> {
    const entries = document.kind === 'index' ? document.manifests.slice(0, MAX_LISTED) : []
    const found: string[] = []
    for (const { digest, platform } of entries) {
      if (platform === undefined || platform.os === 'unknown') continue
      if (await this.#isWhole(digest)) found.push(formatPlatform(platform))
    }
    return found
  }

  async #isWhole(digest: Digest): Promise<boolean> {
    if (!this.#folder.hasBlob(digest)) return false
    // A damaged manifest counts as one that is not there: it only makes a message shorter.
    const found = await this.#layout.resolve(digest).catch(() => undefined)
    if (found?.document.kind !== 'manifest') return false
    const { config, layers } = found.document
    return [config, ...layers].every(blob => this.#folder.hasBlob(blob.digest, blob.size))
  }
}
