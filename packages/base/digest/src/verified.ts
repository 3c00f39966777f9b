import { ToolError } from '@pipelayer/errors'
import { algorithmOf, type Digest } from './digest.js'
import { Hasher } from './hasher.js'

/** What content has to be; without a size only the digest is compared. */
export interface Expected {
  readonly digest: Digest
  /** Bytes. */
  readonly size?: number
}

/**
 * Passes the chunks of `source` on, none of them copied, and throws unless they are what was expected: where the size is
 * known, before the last chunk goes out, so that whoever gets all bytes got the right ones; else at the end. A source that
 * is too long fails as soon as it is, so no more than `size` bytes come out.
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
