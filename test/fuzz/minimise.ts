/**
 * Makes an input that finds something as small as it can be.
 *
 * @module
 */

/** How often the input is run again at most. */
const TRIES = 1500

/**
 * Leaves out what the finding does not need: halves first, then ever smaller pieces, whole blocks kept whole as long
 * as they can be.
 *
 * @param finds - whether an input still finds the same
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
