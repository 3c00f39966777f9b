import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { decompress, detectCompression, MAGIC_SIZE } from '@pipelayer/compress'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { TarParser } from '@pipelayer/tar'

/** Position and length of content in an archive, in bytes. */
export interface Extent {
  readonly offset: number
  readonly size: number
}

export interface OpenArchiveOptions {
  /** Gives the bytes of the file `-`. */
  readonly stdin?: (() => AsyncIterable<Buffer>) | undefined
  /** The folder for a copy of an archive that cannot be read twice: `os.tmpdir()` unless given. */
  readonly temporary?: string | undefined
}

const CHUNK = 1024 * 1024
/**
 * How many links are followed. In archives of older engines, a layer may be a link to the same layer of another image.
 */
const MAX_LINKS = 16

/**
 * The files of an archive of images. The archive is read through once, to find where they lie. One that is compressed or
 * comes from stdin is copied first, into a file without a name, which is gone with the process.
 *
 * Memory: the names in the archive.
 */
export class ArchiveFile {
  /** For messages. */
  readonly name: string
  readonly #handle: FileHandle
  readonly #names: ReadonlyMap<string, Extent>

  private constructor(name: string, handle: FileHandle, names: ReadonlyMap<string, Extent>) {
    this.name = name
    this.#handle = handle
    this.#names = names
  }

  /**
   * @param file - `-` is stdin
   * @throws ToolError `FILE_INVALID` for a pipe or the like, since an archive is read more than once;
   * `ARCHIVE_INVALID`, `TAR_INVALID`, `TAR_TRUNCATED`; those of `decompress` and of the system
   */
  static async open(file: string, options: OpenArchiveOptions = {}): Promise<ArchiveFile> {
    if (file === '-') return ArchiveFile.of(stdinOf(options), file, options)
    return ArchiveFile.#opened(await plain(file, options), file)
  }

  /** Copies an archive that comes as a stream; `name` is for messages. @throws as {@link open}, and as the stream */
  static async of(
    source: AsyncIterable<Buffer>,
    name: string,
    options: Pick<OpenArchiveOptions, 'temporary'> = {},
  ): Promise<ArchiveFile> {
    return ArchiveFile.#opened(await spooled(source, options), name)
  }

  static async #opened(handle: FileHandle, name: string): Promise<ArchiveFile> {
    try {
      return new ArchiveFile(name, handle, await namesIn(handle, name))
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Where a file lies; undefined if there is none of that name. */
  find(name: string): Extent | undefined {
    return this.#names.get(path.posix.normalize(name))
  }

  /** As {@link find}. @throws ToolError `ARCHIVE_INVALID` if there is none */
  extent(name: string): Extent {
    const extent = this.find(name)
    if (extent === undefined) throw invalid(this.name, `there is no "${name}" in it`)
    return extent
  }

  /** A small file. @throws ToolError `ARCHIVE_INVALID` if there is none, or for more than `limit` bytes */
  async document(name: string, limit: number = MAX_DOCUMENT): Promise<Buffer> {
    const extent = this.extent(name)
    if (extent.size > limit) throw invalid(this.name, `"${name}" has more than ${limit} bytes`)
    return this.bytes(extent)
  }

  async bytes(extent: Extent): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of this.read(extent)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  read(extent: Extent): AsyncGenerator<Buffer, void, undefined> {
    return read(this.#handle, extent)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

export function invalid(file: string, why: string, cause?: unknown): ToolError {
  return new ToolError('ARCHIVE_INVALID', `cannot read images from "${file}": ${why}`, { cause })
}

async function plain(file: string, options: OpenArchiveOptions): Promise<FileHandle> {
  // Opening a FIFO would otherwise wait for a writer.
  const flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK
  const handle = await fs.promises.open(file, flags).catch((error: unknown) => {
    throw systemError(error, `open "${file}"`)
  })
  try {
    const found = await handle.stat()
    if (!found.isFile())
      throw new ToolError('FILE_INVALID', `cannot read images from "${file}": it is no regular file`)
    const head = Buffer.alloc(Math.min(MAGIC_SIZE, found.size))
    await handle.read(head, 0, head.length, 0)
    if (detectCompression(head) === 'none') return handle
    const copy = await spooled(read(handle, { offset: 0, size: found.size }), options)
    await handle.close()
    return copy
  } catch (error) {
    await handle.close()
    throw error
  }
}

function stdinOf({ stdin }: OpenArchiveOptions): AsyncIterable<Buffer> {
  if (stdin !== undefined) return stdin()
  throw new ToolError('PLACE_INVALID', 'cannot read images from "-": stdin is not read here')
}

async function spooled(
  source: AsyncIterable<Buffer>,
  { temporary = os.tmpdir() }: OpenArchiveOptions,
): Promise<FileHandle> {
  const doing = `copy an archive into "${temporary}"`
  const file = path.join(temporary, `.pipelayer-archive-${randomBytes(8).toString('hex')}`)
  const handle = await fs.promises.open(file, 'wx+', 0o600).catch((error: unknown) => {
    throw systemError(error, doing)
  })
  try {
    attempt(doing, () => fs.unlinkSync(file))
    for await (const chunk of decompress(source)) await handle.appendFile(chunk)
    return handle
  } catch (error) {
    await handle.close()
    throw systemError(error, doing)
  }
}

/** The files of an archive by name, with links resolved. If a name occurs twice, the last file counts. */
async function namesIn(handle: FileHandle, file: string): Promise<Map<string, Extent>> {
  const names = new Map<string, Extent>()
  const links = new Map<string, string>()
  const parser = new TarParser()
  const { size } = await handle.stat()
  for await (const chunk of read(handle, { offset: 0, size }))
    for (const event of parser.push(chunk)) {
      if (event.type !== 'entry') continue
      const { entry, dataOffset } = event
      const name = path.posix.normalize(entry.name)
      if (entry.typeflag === 'S') throw invalid(file, `"${name}" is a sparse file`)
      if (entry.type === 'file') names.set(name, { offset: dataOffset, size: entry.size })
      else if (entry.type === 'hardlink') links.set(name, path.posix.normalize(entry.linkname))
      else if (entry.type === 'symlink')
        links.set(name, path.posix.join(path.posix.dirname(name), entry.linkname))
    }
  parser.finish()
  for (const name of links.keys()) {
    const found = target(name, links, names)
    if (found !== undefined) names.set(name, found)
  }
  return names
}

function target(
  name: string,
  links: ReadonlyMap<string, string>,
  names: ReadonlyMap<string, Extent>,
): Extent | undefined {
  let at: string | undefined = name
  for (let steps = 0; at !== undefined && steps < MAX_LINKS; steps++) {
    const found = names.get(at)
    if (found !== undefined) return found
    at = links.get(at)
  }
  return undefined
}

async function* read(handle: FileHandle, { offset, size }: Extent): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < size; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset + at)
    // The file was cut in the meantime. The reader of the bytes notices that some are missing.
    if (bytesRead === 0) return
    yield chunk.subarray(0, bytesRead)
    at += bytesRead
  }
}
