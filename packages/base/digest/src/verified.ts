import { ToolError } from '@pipelayer/errors'
import { algorithmOf, type Digest } from './digest.js'
import { Hasher } from './hasher.js'

/** The digest and the size that content must have; without a size only the digest is compared. */
export interface Expected {
  readonly digest: Digest
  /** Bytes. */
  readonly size?: number
}

/**
 * Passes on the chunks of `source` without copying them, and throws where they are not the expected content. Where the
 * size is known it throws before the last chunk goes out, so that a consumer that has received all bytes has received
 * the right ones; without a size it throws at the end. A source that is too long fails at its first surplus byte, so no
 * more than `size` bytes come out.
 *
 * ```ts
 * for await (const chunk of verified(fs.createReadStream(file), { digest, size })) fs.writeSync(fd, chunk)
 * ```
 *
 * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `DIGEST_UNSUPPORTED`
 */
export async function* verified(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  expected: Expected,
): AsyncGenerator<Buffer, void, undefined> {
  const hasher = new Hasher(algorithmOf(expected.digest))
  let isProven = false
  for await (const chunk of source) {
    if (expected.size !== undefined && hasher.bytes + chunk.length > expected.size) {
      throw sizeMismatch(expected, `more than ${expected.size} bytes`)
    }
    if (!isProven) hasher.update(chunk)
    if (!isProven && hasher.bytes === expected.size) {
      checkContent(expected, { digest: hasher.digest(), size: hasher.bytes })
      isProven = true
    }
    yield chunk
  }
  if (!isProven) checkContent(expected, { digest: hasher.digest(), size: hasher.bytes })
}

/** Compares content with what was expected, size first. Throws as {@link verified} does. */
export function checkContent(expected: Expected, actual: Required<Expected>): void {
  if (expected.size !== undefined && actual.size !== expected.size) {
    throw sizeMismatch(expected, `${actual.size} bytes`)
  }
  if (actual.digest !== expected.digest) {
    throw new ToolError(
      'DIGEST_MISMATCH',
      `content does not match: expected ${expected.digest}, got ${actual.digest}`,
    )
  }
}

function sizeMismatch(expected: Expected, actual: string): ToolError {
  return new ToolError(
    'SIZE_MISMATCH',
    `content of ${expected.digest} has the wrong size: expected ${expected.size} bytes, got ${actual}`,
  )
}
