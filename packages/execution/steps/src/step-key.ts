import { type Digest, digestOf } from '@pipelayer/digest'

/** Part of every key. It is increased when an instruction gives another layer than before. */
export const KEY_VERSION = 4

/** A key over any value that JSON can hold; the order of fields is part of it. */
export function keyOf(parent: string, parts: Readonly<Record<string, unknown>>): Digest {
  return digestOf(JSON.stringify({ version: KEY_VERSION, parent, ...parts }))
}
