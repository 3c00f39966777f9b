/**
 * A root filesystem on disk: names are resolved inside of it, and never lead out.
 *
 * @module
 */

export { isCarried, timeSpec } from './file-meta.js'
export { at, binaryOf, bytesOf, cleanName, openFile, Rooted } from './rooted.js'
