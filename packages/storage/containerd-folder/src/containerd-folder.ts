import fs from 'node:fs'
import path from 'node:path'
import { isDigest } from '@pipelayer/digest'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import { Layout, type LayoutIndex, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { type Images, readImages } from './metadata.js'

const METADATA = path.join('io.containerd.metadata.v1.bolt', 'meta.db')
const CONTENT = 'io.containerd.content.v1.content'
/** Where Docker, since 29, has containerd's folder below its own. */
const IN_DOCKER = path.join('containerd', 'daemon')

interface Read {
  readonly namespace: string
  readonly images: Images
}

/**
 * The images of one namespace in containerd's folder, as a layout that is only read: its blobs lie as in a layout, and
 * its names in a database. All names are read once, when they are first needed; blobs need none, and one name is looked up.
 *
 * ```ts
 * const folder = new ContainerdFolder('/var/lib/containerd', 'k8s.io')
 * const names = [...folder.images().keys()]
 * ```
 */
export class ContainerdFolder extends Layout {
  readonly #root: string
  readonly #wanted: string | undefined
  #read: Read | undefined

  /** @param namespace - may be left out if only one has images */
  constructor(root: string, namespace?: string) {
    super(path.join(root, CONTENT))
    this.#root = root
    this.#wanted = namespace
  }

  /** The namespace whose names are read. @throws ToolError as {@link images} */
  get namespace(): string {
    return this.#metadata().namespace
  }

  /**
   * The images of the namespace, by their names.
   *
   * @throws ToolError `FOLDER_MISSING`: there is no folder of containerd; `MANIFEST_UNKNOWN`: the namespace has no image;
   * `REFERENCE_AMBIGUOUS`: several namespaces have images; `METADATA_INVALID`, `BOLT_INVALID`: the database is damaged;
   * `BOLT_CHANGING` (status 75)
   */
  images(): Images {
    return this.#metadata().images
  }

  override index(): LayoutIndex {
    const manifests = [...this.images()].map(([name, target]) => ({
      ...target,
      annotations: { [REF_NAME]: name },
    }))
    return { schemaVersion: 2, manifests }
  }

  /** The name as it is comes first, then the full name that Docker makes of it: `docker.io/library/debian:latest`. */
  override resolve(name: string): StoredDescriptor[] {
    if (isDigest(name)) return super.resolve(name)
    const full = fullName(name) ?? name
    const { images } = this.#look([name, full])
    const found = images.get(name) ?? images.get(full)
    return found === undefined || this.proofOf(name, found.digest) === undefined ? [] : [found]
  }

  #metadata(): Read {
    this.#read ??= this.#look()
    return this.#read
  }

  #look(names?: readonly string[]): Read {
    const file = path.join(this.#root, METADATA)
    try {
      return readImages(file, { choose: found => this.#choose(found), ...(names && { names }) })
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? ''))
        return attempt(`read "${file}"`, () => {
          throw error
        })
      throw new ToolError('FOLDER_MISSING', this.#missing(), { cause: error })
    }
  }

  #choose(found: readonly string[]): string {
    const [only, ...others] = found
    const wanted = this.#wanted
    const list = found.slice(0, 20).join(', ') || 'no namespace'
    const where = `containerd's folder "${this.#root}"`
    if (wanted !== undefined) {
      if (found.includes(wanted)) return wanted
      throw new ToolError(
        'MANIFEST_UNKNOWN',
        `there is no image in namespace ${wanted} of ${where}: ${list} has images`,
      )
    }
    if (only === undefined) throw new ToolError('MANIFEST_UNKNOWN', `there is no image in ${where}`)
    if (others.length === 0) return only
    const why = `several namespaces have images, say which: ${list}`
    throw new ToolError('REFERENCE_AMBIGUOUS', `cannot choose an image of ${where}: ${why}`)
  }

  #missing(): string {
    const inDocker = path.join(this.#root, IN_DOCKER)
    const isDocker = fs.existsSync(path.join(inDocker, METADATA))
    const hint = isDocker ? `: Docker's is "${inDocker}"` : ''
    return `"${this.#root}" is no folder of containerd: it has no "${METADATA}"${hint}`
  }
}

/** The full name that Docker makes of a short one; undefined of what is no name. */
export function fullName(name: string): string | undefined {
  if (isDigest(name)) return undefined
  try {
    return formatReference(withDefaultTag(parseNormalized(name)))
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}
