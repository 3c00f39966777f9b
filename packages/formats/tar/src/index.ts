/**
 * tar archives, byte-exact: a push parser and a header writer, synchronous and without I/O; and archives of plain files,
 * framed by tar-stream.
 *
 * @module
 */
export { BLOCK_SIZE, END_BLOCKS, padding } from './block.js'
export { encodeHeader, paxRecords } from './encode.js'
export type { ReadEntry, TarEntry, TarTime, TarType } from './entry.js'
export type { TarEvent, TarParserOptions } from './event.js'
export { type FileFramer, frameFiles } from './framer.js'
export { fitsInOctal, formatOctal, parseNumeric } from './numeric.js'
export { isHeader, readTar, TarParser } from './parser.js'
export { formatPaxRecord, parsePax, parsePaxRecord } from './pax.js'
export { formatPaxTime, parsePaxTime } from './time.js'
