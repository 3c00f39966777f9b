/**
 * gzip in parallel blocks and zstd, both ways, and detection by magic. Deterministic; no I/O of its own.
 *
 * @module
 */
export { blockSizeOf, compress, engineOf } from './compress.js'
export { decompress } from './decompress.js'
export { decompressExternal } from './external.js'
export { defaultLevel, detectCompression, type Engine, MAGIC_SIZE, parseCompression } from './format.js'
export { verifyEngine } from './golden.js'
