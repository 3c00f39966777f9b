import fs from 'node:fs'
import { parseDigest, verified } from '@pipelayer/digest'
import type { InlineContent } from '@pipelayer/steps'
import { openRegular } from '@pipelayer/sys'

/**
 * The bytes that a Dockerfile has itself. What comes from the store is held to its digest, at the end: the step fails then.
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
