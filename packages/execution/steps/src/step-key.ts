import { type Digest, digestOf } from '@pipelayer/digest'

/** Part of every key: it goes up when the same instruction begins to give another layer. */
export const KEY_VERSION = 4

/** A key over anything JSON can hold; the order of fields is part of it. */
export function keyOf(parent: string, parts: Readonly<Record<string, unknown>>): Digest {
  return digestOf(JSON.stringify({ version: KEY_VERSION, parent, ...parts }))
}
