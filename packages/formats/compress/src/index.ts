/**
 * gzip in parallel blocks and zstd, both ways, and detection by magic. Deterministic; no I/O of its own.
 *
 * @module
 */
export { blockSizeOf, type CompressOptions, compress, engineOf } from './compress.js'
export { type DecompressOptions, decompress } from './decompress.js'
export { decompressExternal, type Spawn } from './external.js'
export {
  type Compression,
  type CompressionFormat,
  type DetectedCompression,
  defaultLevel,
  detectCompression,
  type Engine,
  MAGIC_SIZE,
  parseCompression,
} from './format.js'
export { type EngineCheck, verifyEngine } from './golden.js'
