/**
 * Makes the list of a tar, so that the tar can be put together from it and the unpacked layer.
 *
 * @module
 */
import { type ReadEntry, TarParser } from '@pipelayer/tar'
import { Crc64 } from './crc64.js'
import { formatEntry } from './entry.js'

/** The largest segment that is written, in bytes. */
const MAX_SEGMENT = 1024 * 1024

/** The layer as it was unpacked. */
export interface SplitTree {
  /**
   * Is asked once for each entry of the tar, in order. True where the tree has the content of a file under the very name
   * that the tar gives it. The content of another entry goes into the list.
   */
  holds(entry: ReadEntry): boolean
}

/**
 * The lines of a list. The bytes of all its segments and of the files that the tree holds, in order, are the tar.
 *
 * A file whose content the tree cannot give in one piece, such as a sparse one, stands in the list with no content, and
 * its bytes follow as segments: so tar-split, too, gives the tar back bit for bit.
 *
 * Memory: 1 MiB, and one header.
 *
 * @param tar - plain; read to its end
 * @throws ToolError those of TarParser; what `holds` throws
 */
export async function* splitTar(
  tar: AsyncIterable<Buffer>,
  tree: SplitTree,
): AsyncGenerator<Buffer, void, undefined> {
  const list = new ListWriter(tree)
  const parser = new TarParser({ raw: true })
  for await (const chunk of tar) {
    for (const event of parser.push(chunk)) {
      if (event.type === 'raw') list.bytes(event.bytes)
      else if (event.type === 'data') list.content(event.bytes)
      else if (event.type === 'entry') list.entry(event.entry)
      else if (event.type === 'end') list.end()
    }
    yield list.take()
  }
  parser.finish()
  list.flush()
  yield list.take()
}

/** A file whose content is read and left out of the list. */
interface OpenFile {
  readonly name: string
  readonly sum: Crc64
  size: number
}

class ListWriter {
  readonly #tree: SplitTree
  #lines: string[] = []
  #segment: Buffer[] = []
  #segmentSize = 0
  #position = 0
  #file: OpenFile | undefined

  constructor(tree: SplitTree) {
    this.#tree = tree
  }

  /** The lines since the last call. */
  take(): Buffer {
    const text = this.#lines.join('')
    this.#lines = []
    return Buffer.from(text)
  }

  // The parser's chunks are views of memory that is used again.
  bytes(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; done += MAX_SEGMENT) {
      const part = Buffer.from(bytes.subarray(done, done + MAX_SEGMENT))
      if (this.#segmentSize + part.length > MAX_SEGMENT) this.flush()
      this.#segment.push(part)
      this.#segmentSize += part.length
    }
  }

  entry(entry: ReadEntry): void {
    this.flush()
    const isHeld = this.#tree.holds(entry) && entry.type === 'file' && entry.size > 0 && !isSparse(entry)
    if (isHeld) this.#file = { name: entry.name, sum: new Crc64(), size: 0 }
    else this.#add({ type: 'file', name: entry.name, size: 0, crc: undefined })
  }

  content(bytes: Buffer): void {
    const file = this.#file
    file?.sum.update(bytes)
    if (file === undefined) this.bytes(bytes)
    else file.size += bytes.length
  }

  end(): void {
    const file = this.#file
    this.#file = undefined
    if (file !== undefined)
      this.#add({ type: 'file', name: file.name, size: file.size, crc: file.sum.digest() })
  }

  /** Writes the bytes that are held back. */
  flush(): void {
    const bytes = Buffer.concat(this.#segment)
    this.#segment = []
    this.#segmentSize = 0
    if (bytes.length > 0) this.#add({ type: 'segment', bytes })
  }

  #add(entry: Parameters<typeof formatEntry>[0]): void {
    this.#lines.push(formatEntry(entry, this.#position++))
  }
}

/** True for a file whose content in the tar is a map and the parts between its holes. */
function isSparse({ typeflag, pax }: ReadEntry): boolean {
  return typeflag === 'S' || [...pax.keys()].some(key => key.startsWith('GNU.sparse.'))
}
