/**
 * `repositories.json`: the names of an engine's images.
 *
 * ```
 * {"Repositories":{"nginx":{"nginx:1.25":"sha256:ID","nginx@sha256:MANIFEST":"sha256:ID"}}}
 * ```
 *
 * Names are short, as Docker shows them. A digest is that of the manifest or index that was pulled or pushed.
 *
 * @module
 */
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { isObject } from '@pipelayer/oci'
import { familiar, formatReference, type NormalizedReference, parseNormalized } from '@pipelayer/reference'
import { readFile } from './files.js'
import { broken, requireID } from './paths.js'

/** Two hundred thousand names have this many bytes. */
const MAX_BYTES = 64 * 1024 * 1024

type Names = Readonly<Record<string, Readonly<Record<string, string>>>>

/** The names of an engine's images. */
export class Repositories {
  readonly #names: Names
  /** By name, fully qualified. */
  readonly #ids: ReadonlyMap<string, Digest>

  private constructor(names: Names, ids: ReadonlyMap<string, Digest>) {
    this.#names = names
    this.#ids = ids
  }

  /** An engine without images has no such file yet. @throws ToolError `DOCKER_FOLDER_INVALID`, also for a file that was cut */
  static read(file: string): Repositories {
    const bytes = readFile(file, MAX_BYTES)
    if (bytes === undefined) return new Repositories({}, new Map())
    const names = parseNames(bytes, file)
    const ids = new Map<string, Digest>()
    for (const references of Object.values(names))
      for (const [text, id] of Object.entries(references)) {
        const name = fullName(text)
        if (name !== undefined) ids.set(name, requireID(id, file))
      }
    return new Repositories(names, ids)
  }

  /** The id of the image that has a name, fully qualified. */
  get(reference: string): Digest | undefined {
    return this.#ids.get(reference)
  }

  /** All names, fully qualified, with the ids of their images, in byte order. */
  entries(): readonly (readonly [name: string, id: Digest])[] {
    return [...this.#ids].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /**
   * The text of the file with a further name, which is taken from the image that had it.
   *
   * @throws ToolError `REFERENCE_AMBIGUOUS`: a name with a digest stands for another image already, and digests never move
   */
  with(reference: NormalizedReference, id: Digest): string {
    const { domain, path, digest, tag } = reference
    const name = familiar({ domain, path })
    const version = digest === undefined ? { tag: tag ?? 'latest' } : { digest }
    const key = familiar({ domain, path, ...version })
    const known = this.#names[name]?.[key]
    if (digest !== undefined && known !== undefined && known !== id)
      throw new ToolError(
        'REFERENCE_AMBIGUOUS',
        `cannot name image ${id} ${key}: image ${known} has that name`,
      )
    const names = { ...this.#names, [name]: sorted({ ...this.#names[name], [key]: id }) }
    return JSON.stringify({ Repositories: sorted(names) })
  }
}

// Go writes the keys of a map in byte order. Names are ASCII.
function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

// A name that nobody could ask for is kept in the file, and passed over.
function fullName(text: string): string | undefined {
  try {
    return formatReference(parseNormalized(text))
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function parseNames(bytes: Buffer, file: string): Names {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw broken(file, 'it is no JSON, or was cut', cause)
  }
  const names = isObject(value) ? (value.Repositories ?? {}) : undefined
  if (!isObject(names)) throw broken(file, 'it has no "Repositories"')
  for (const [name, references] of Object.entries(names)) {
    const isMap = isObject(references) && Object.values(references).every(id => typeof id === 'string')
    if (!isMap) throw broken(file, `${JSON.stringify(name)} has no list of names and ids`)
  }
  return names as Names
}
