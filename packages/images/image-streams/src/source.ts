import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import paths from 'node:path'
import { algorithmOf, encodedOf, isDigest, verified } from '@pipelayer/digest'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { isIndexType, isManifestType } from '@pipelayer/oci'
import { openPlace, type Place, type PlaceOptions, type PlaceReader } from '@pipelayer/places'
import { openRegular } from '@pipelayer/sys'
import type { Part } from './parts.js'

const READ_BYTES = 1024 * 1024
/** How many places are kept open. Each of thousands of images may come from a repository of its own. */
const MAX_PLACES = 32

export interface OpenOptions {
  readonly signal: AbortSignal
  /** The bytes leave this machine, so they are read through and checked before the first of them is given out. */
  readonly leaves?: boolean | undefined
}

/** Opens the bytes of blobs: from their path, else from the record itself, else from a place that holds them. */
export class BlobSource {
  readonly #options: PlaceOptions
  readonly #places = new Map<string, Place>()

  constructor(options: PlaceOptions) {
    this.#options = options
  }

  /**
   * Returns a function that opens a blob. The place that takes the bytes always compares them with the digest. Bytes
   * that leave this machine are also checked before the first one is sent: a record may come from anybody, and may name
   * a private file of the user as the path of a blob, together with a registry to send it to. Only the store's own file
   * for the digest needs no such check.
   *
   * @throws ToolError `BLOB_MISSING` when there is neither a file nor a place; `SIZE_MISMATCH` for a file of another
   * size; the opened blob throws `DIGEST_MISMATCH` before its first byte if the bytes would leave this machine
   */
  opener(part: Part, { signal, leaves = false }: OpenOptions): () => AsyncIterable<Buffer> {
    const { path, data, from = [] } = part
    if (path !== undefined && isThere(path, part)) {
      const isProven = !leaves || this.#isOwn(path, part.digest)
      return () => (isProven ? readFile(path, part.size, signal) : provenFile(path, part, signal))
    }
    if (data !== undefined) return () => inline(data)
    if (from.length > 0) return () => this.#first(from, part, { leaves })
    const where = path === undefined ? 'no path and no place to get it from' : `"${path}" is not there`
    throw new ToolError('BLOB_MISSING', `cannot put blob ${part.digest}: ${where}`)
  }

  async close(): Promise<void> {
    for (const place of this.#places.values()) await place.close()
    this.#places.clear()
  }

  // The store checked this file against its digest when it wrote it, so it is no other file of the user.
  #isOwn(path: string, digest: string): boolean {
    const { store } = this.#options
    if (!isDigest(digest)) return false
    const own = paths.join(paths.resolve(store), 'blobs', algorithmOf(digest), encodedOf(digest))
    return path === own && fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() === true
  }

  // The next place is asked only if the one before has not sent any byte.
  async *#first(
    places: readonly string[],
    part: Part,
    { leaves }: { readonly leaves: boolean },
  ): AsyncGenerator<Buffer, void, undefined> {
    for (const [index, text] of places.entries()) {
      let bytes = 0
      try {
        const { read, traits } = this.#place(text)
        // In a folder that somebody else controls, a link may stand in place of a blob. The bytes of a registry were
        // never private to this machine.
        const isFolder = traits.isLocal && !traits.isStore
        const open = (): AsyncIterable<Buffer> => (isDocument(part) ? document(read, part) : read.blob(part))
        if (leaves && isFolder) await drained(verified(open(), part))
        for await (const chunk of open()) {
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
    // The place that was used longest ago stands first. If a blob is still being read from it, it is not cut off.
    this.#places.delete(text)
    this.#places.set(text, place)
    if (this.#places.size > MAX_PLACES) this.#places.delete(this.#places.keys().next().value ?? '')
    return place
  }
}

async function drained(source: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of source) {
    // The bytes are checked while they are read.
  }
}

function isDocument({ mediaType }: Part): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType)
}

// Registries keep manifests apart from blobs, so they are asked for by another request.
async function* document(reader: PlaceReader, { digest }: Part): AsyncGenerator<Buffer, void, undefined> {
  yield (await reader.resolve(digest)).bytes
}

/** @internal The bytes that a descriptor carries in its own field `data`. */
export async function* inline(data: string): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(data, 'base64')
}

// The path in a record is a hint. Only a regular file can be a blob: a device or a pipe would make us wait for ever.
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

// The file stays open, so that both readings (the check, then the content) are of the same file even if the path is
// replaced.
async function* provenFile(
  path: string,
  part: Part,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const { O_NONBLOCK, O_RDONLY } = fs.constants
  const handle = await fs.promises.open(path, O_RDONLY | O_NONBLOCK).catch((error: unknown) => {
    throw systemError(error, `read "${path}"`)
  })
  try {
    // The path may name something else by now, such as a device, which has no end.
    if (!(await handle.stat()).isFile())
      throw new ToolError('BLOB_MISSING', `cannot put blob ${part.digest}: "${path}" is no file`)
    await drained(verified(bytesOf(handle, part.size, signal), part))
    yield* bytesOf(handle, part.size, signal)
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'DIGEST_MISMATCH')
      throw systemError(error, `read "${path}"`)
    const message = `"${path}" is not the blob ${part.digest} that its record says: nothing of it was sent`
    throw new ToolError('DIGEST_MISMATCH', message, { cause: error })
  } finally {
    await handle.close()
  }
}

// Reads from the start of the file, whatever position other readers of it have.
async function* bytesOf(
  handle: FileHandle,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  const length = Math.min(READ_BYTES, size + 1)
  for (let at = 0; ; ) {
    signal.throwIfAborted()
    const chunk = Buffer.allocUnsafe(length)
    const { bytesRead } = await handle.read(chunk, 0, length, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}

// Each stream makes a buffer. A buffer larger than the file would only cost time for garbage collection.
async function* readFile(
  path: string,
  size: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    // The size is read again, because the path may name another file by now.
    const { fd } = openRegular(path)
    yield* fs.createReadStream('', { fd, highWaterMark: Math.min(READ_BYTES, size + 1), signal })
  } catch (error) {
    throw systemError(error, `read "${path}"`)
  }
}
