import { verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, MAX_DOCUMENT } from '@pipelayer/oci'

/**
 * Reads a small blob into memory and checks it.
 *
 * @param open - opens the bytes of the blob
 * @throws ToolError `DOCUMENT_TOO_LARGE` for more than 4 MiB, before a byte is read; `SIZE_MISMATCH`, `DIGEST_MISMATCH`
 */
export async function readDocument(
  descriptor: Descriptor,
  open: () => AsyncIterable<Buffer>,
): Promise<Buffer> {
  const { digest, size } = descriptor
  if (size > MAX_DOCUMENT) {
    throw new ToolError('DOCUMENT_TOO_LARGE', `${digest} has ${size} bytes, more than ${MAX_DOCUMENT}`)
  }
  const chunks: Buffer[] = []
  for await (const chunk of verified(open(), descriptor)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
