import fs from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { isIndexType, isManifestType } from '@pipelayer/oci'
import { openPlace, type Place, type PlaceOptions, type PlaceReader } from '@pipelayer/places'
import { openRegular } from '@pipelayer/sys'
import type { Part } from './parts.js'

const READ_BYTES = 1024 * 1024
/** Places kept open: each image of thousands may come from a repository of its own. */
const MAX_PLACES = 32

/** Opens the bytes of blobs: from their path, else from the record itself, else from a place that holds them. */
export class BlobSource {
  readonly #options: PlaceOptions
  readonly #places = new Map<string, Place>()

  constructor(options: PlaceOptions) {
    this.#options = options
  }

  /**
   * How to open a blob. The bytes are not checked: the digest decides, wherever they go.
   *
   * @throws ToolError `BLOB_MISSING` when there is neither a file nor a place; `SIZE_MISMATCH` for a file of another
   * size
   */
  opener(part: Part, signal: AbortSignal): () => AsyncIterable<Buffer> {
    const { path, data, from = [] } = part
    if (path !== undefined && isThere(path, part)) return () => readFile(path, part.size, signal)
    if (data !== undefined) return () => inline(data)
    if (from.length > 0) return () => this.#first(from, part)
    const where = path === undefined ? 'no path and no place to get it from' : `"${path}" is not there`
    throw new ToolError('BLOB_MISSING', `cannot put blob ${part.digest}: ${where}`)
  }

  async close(): Promise<void> {
    for (const place of this.#places.values()) await place.close()
    this.#places.clear()
  }

  // The next place is asked only where nothing has come from the one before.
  async *#first(places: readonly string[], part: Part): AsyncGenerator<Buffer, void, undefined> {
    for (const [index, text] of places.entries()) {
      let bytes = 0
      try {
        const { read } = this.#place(text)
        for await (const chunk of isDocument(part) ? document(read, part) : read.blob(part)) {
          bytes += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        const isLast = index === places.length - 1
        if (isLast || bytes > 0 || !(error instanceof ToolError)) throw error
        this.#options.warn?.(`${error.message}; asking ${places[index + 1]}`, error.code)
      }
    }
  }

  #place(text: string): Place {
    const place = this.#places.get(text) ?? openPlace(text, this.#options)
    // The one that was asked longest ago stands first. A blob that still comes from it is not cut off.
    this.#places.delete(text)
    this.#places.set(text, place)
    if (this.#places.size > MAX_PLACES) this.#places.delete(this.#places.keys().next().value ?? '')
    return place
  }
}

function isDocument({ mediaType }: Part): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType)
}

// Registries keep manifests apart from blobs.
async function* document(reader: PlaceReader, { digest }: Part): AsyncGenerator<Buffer, void, undefined> {
  yield (await reader.resolve(digest)).bytes
}

/** @internal The bytes that a descriptor carries itself. */
export async function* inline(data: string): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(data, 'base64')
}

// A path is a hint. A device or a pipe must not hang us, and nothing but a file is a blob.
function isThere(path: string, { digest, size }: Part): boolean {
  try {
    const found = fs.statSync(path)
    if (!found.isFile())
      throw new ToolError('BLOB_MISSING', `cannot put blob ${digest}: "${path}" is no file`)
    if (found.size === size) return true
    const why = `"${path}" has ${found.size} bytes, not ${size}`
    throw new ToolError('SIZE_MISMATCH', `cannot put blob ${digest}: ${why}`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false
    throw systemError(error, `read blob ${digest} from "${path}"`)
  }
}

// A buffer is made for each stream: one larger than the file is time for the collector.
async function* readFile(
  path: string,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    // Looked at again: it may be another file by now.
    const { fd } = openRegular(path)
    yield* fs.createReadStream('', { fd, highWaterMark: Math.min(READ_BYTES, size + 1), signal })
  } catch (error) {
    throw systemError(error, `read "${path}"`)
  }
}
