import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { decompress, decompressExternal, detectCompression, MAGIC_SIZE } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import { BLOCK_SIZE, isHeader, TarParser } from '@pipelayer/tar'
import { applyLayer } from '@pipelayer/unpacking'

const CHUNK = 256 * 1024

export interface UnpackOptions {
  /** Called when it is an archive: makes the directory that it is unpacked into, absolute. */
  readonly directory: () => string
  readonly onWarning: (message: string) => void
  /** Of all that is unpacked, whatever the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number }
}

/**
 * Unpacks a file when it is a tar, compressed or not: its content decides, not its name. Names in it stay inside the
 * directory. False when it is none; then nothing was done.
 */
export async function unpackArchive(fd: number, options: UnpackOptions): Promise<boolean> {
  if (!(await isArchive(fd))) return false
  // `tar --append` writes a name again: the last one counts, as for tar itself. It is no layer: nothing in it is hidden.
  const { onWarning, owner } = options
  await applyLayer(inflate(fd), options.directory(), {
    onWarning,
    rules: { repeated: 'last', whiteouts: 'files' },
    ...(owner === undefined ? {} : { owner }),
  })
  return true
}

/**
 * Whether the content inflates and begins with the header of a tar entry. An entry that we refuse is one, too: what is
 * meant to be unpacked must not become a file without a word.
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
    // Content that is no archive is copied. A program that is missing is no statement about the content.
    if (!(error instanceof ToolError) || error.code === 'COMPRESSION_UNSUPPORTED') throw error
    return error.code === 'TAR_INVALID' && head.length >= BLOCK_SIZE && isHeader(head.subarray(0, BLOCK_SIZE))
  }
}

// What comes behind the first entry is not parsed.
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
