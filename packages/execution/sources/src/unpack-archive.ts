import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { decompress, decompressExternal, detectCompression, MAGIC_SIZE } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import { BLOCK_SIZE, isHeader, TarParser } from '@pipelayer/tar'
import { applyLayer } from '@pipelayer/unpacking'

const CHUNK = 256 * 1024

export interface UnpackOptions {
  /** Is called if the file is an archive: makes the directory to unpack into, and returns its absolute path. */
  readonly directory: () => string
  readonly onWarning: (message: string) => void
  /** The owner of everything that is unpacked, whatever the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/**
 * Unpacks a file if its content, whatever its name, is a tar, compressed or not. Names in the archive cannot leave the
 * directory. Returns false and does nothing if the file is no tar.
 */
export async function unpackArchive(fd: number, options: UnpackOptions): Promise<boolean> {
  if (!(await isArchive(fd))) return false
  // `tar --append` writes a name again, and the last one counts, as for tar itself. The archive is no layer: whiteouts
  // have no meaning in it.
  const { onWarning, owner } = options
  await applyLayer(inflate(fd), options.directory(), {
    onWarning,
    rules: { repeated: 'last', whiteouts: 'files' },
    ...(owner === undefined ? {} : { owner }),
  })
  return true
}

/**
 * Whether the content can be decompressed and begins with the header of a tar entry. A header that we refuse counts
 * too: a broken archive must fail, and must not be copied as a file.
 */
async function isArchive(fd: number): Promise<boolean> {
  let head = Buffer.alloc(0)
  try {
    const parser = new TarParser()
    for await (const chunk of inflate(fd)) {
      if (head.length < BLOCK_SIZE) head = Buffer.concat([head, chunk.subarray(0, BLOCK_SIZE)])
      if (hasEntry(parser.push(chunk))) return true
    }
    return false
  } catch (error) {
    // Content that is no archive is copied. But that a program for decompression is missing says nothing about the
    // content.
    if (!(error instanceof ToolError) || error.code === 'COMPRESSION_UNSUPPORTED') throw error
    return error.code === 'TAR_INVALID' && head.length >= BLOCK_SIZE && isHeader(head.subarray(0, BLOCK_SIZE))
  }
}

// Only the first entry is parsed.
function hasEntry(events: Iterable<{ readonly type: string }>): boolean {
  for (const { type } of events) if (type === 'entry') return true
  return false
}

function inflate(fd: number): AsyncIterable<Buffer> {
  const head = Buffer.alloc(MAGIC_SIZE)
  const size = fs.readSync(fd, head, 0, MAGIC_SIZE, 0)
  const format = detectCompression(head.subarray(0, size))
  if (format === 'bzip2' || format === 'xz') return decompressExternal(chunksOf(fd), format, spawn)
  return decompress(chunksOf(fd))
}

async function* chunksOf(fd: number): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const chunk = Buffer.allocUnsafe(CHUNK)
    const size = await new Promise<number>((resolve, reject) => {
      fs.read(fd, chunk, 0, CHUNK, at, (error, bytes) => (error ? reject(error) : resolve(bytes)))
    })
    if (size === 0) return
    at += size
    yield chunk.subarray(0, size)
  }
}
