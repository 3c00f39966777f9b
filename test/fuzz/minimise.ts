/**
 * Makes an input that causes a finding as small as possible.
 *
 * @module
 */

/** How often the input is run again, at most. */
const TRIES = 1500

/**
 * Removes pieces of the input that the finding does not need: halves first, then ever smaller pieces; the 512-byte
 * blocks are kept whole as long as possible.
 *
 * @param finds - whether an input still causes the same finding
 */
export async function minimised(input: Buffer, finds: (input: Buffer) => Promise<boolean>): Promise<Buffer> {
  let best = input
  let tries = 0
  const largest = 2 ** Math.ceil(Math.log2(Math.max(2, input.length)))
  for (let size = largest / 2; size >= 1; size /= 2) {
    for (let at = 0; at < best.length && tries < TRIES; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      tries++
      if (await finds(shorter)) best = shorter
      else at += size
    }
  }
  return best
}
