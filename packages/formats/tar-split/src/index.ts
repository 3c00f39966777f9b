/**
 * tar-split's lists, `tar-split.json.gz`: what of a tar does not lie in its unpacked files, so that both together give
 * the tar again, bit for bit.
 *
 * @module
 */
export { assembleTar, type SplitContents, splitSize } from './assemble.js'
export { type SplitTree, splitTar } from './disassemble.js'
