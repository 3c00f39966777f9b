import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { systemError, ToolError } from '@pipelayer/errors'

const READ_BYTES = 256 * 1024

/**
 * The bytes of a file that is read as a whole; `-` is stdin.
 *
 * @param options.limit - bytes; more is a mistake, such as a disk image or /dev/zero
 * @throws ToolError `FILE_TOO_LARGE` above the limit: name another file; the system's own code where the file cannot be
 * read
 */
export async function readInput(
  file: string,
  { stdin, limit }: { readonly stdin: Readable; readonly limit: number },
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of (file === '-' ? stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limit) throw new ToolError('FILE_TOO_LARGE', `${file} has more than ${limit} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw systemError(error, `read ${JSON.stringify(file)}`)
  }
  return Buffer.concat(chunks)
}

/**
 * The bytes of a file, piece by piece; `-` is stdin.
 *
 * @throws ToolError with the code of the system
 */
export async function* readBytes(file: string, stdin: Readable): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* file === '-' ? stdin : createReadStream(file, { highWaterMark: READ_BYTES })
  } catch (error) {
    throw systemError(error, `read ${JSON.stringify(file)}`)
  }
}
