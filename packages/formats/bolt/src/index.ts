/**
 * bolt databases, read only: buckets of keys and values in the pages of one file, as bbolt (Go) writes them.
 *
 * @module
 */
export type { BoltBucket } from './bucket.js'
export { readBolt } from './read-bolt.js'
