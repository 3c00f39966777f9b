/**
 * Digests: parse, compute, compare.
 *
 * @module
 */
export { chainIDs } from './chain-ids.js'
export type { Digest } from './digest.js'
export { algorithmOf, encodedOf, isDigest, isWellFormedDigest, parseDigest } from './digest.js'
export { digestOf, Hasher } from './hasher.js'
export { checkContent, verified } from './verified.js'
