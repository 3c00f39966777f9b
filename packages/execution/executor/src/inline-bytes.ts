import fs from 'node:fs'
import { parseDigest, verified } from '@pipelayer/digest'
import type { InlineContent } from '@pipelayer/steps'
import { openRegular } from '@pipelayer/sys'

/**
 * The bytes of a file whose content stands in the Dockerfile. If they come from the store, they are compared with their
 * digest at the end, and the step fails if they differ.
 *
 * @throws {ToolError} `DIGEST_MISMATCH`, `SIZE_MISMATCH`
 */
export async function* inlineBytes(content: InlineContent): AsyncGenerator<Buffer> {
  if ('content' in content) {
    yield Buffer.from(content.content, 'base64')
    return
  }
  const { path, digest, size } = content
  yield* verified(fs.createReadStream('', { fd: openRegular(path).fd, highWaterMark: 1024 * 1024 }), {
    digest: parseDigest(digest),
    size,
  })
}
