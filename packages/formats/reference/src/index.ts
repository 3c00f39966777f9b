/**
 * Image references: parse, normalise, format.
 *
 * @module
 */
export { parseAny } from './any.js'
export { GRAMMAR } from './grammar.js'
export type { NormalizedReference } from './normalized.js'
export { familiar, parseNormalized, pinned, withDefaultTag } from './normalized.js'
export { matchesPattern } from './pattern.js'
export type { Reference } from './reference.js'
export { formatName, formatReference, isRefName, parseReference, withDigest, withTag } from './reference.js'
