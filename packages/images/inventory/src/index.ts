/**
 * The images that a store names: found by name or id, summed up, named and forgotten.
 *
 * @module
 */
export { findImage } from './find.js'
export {
  checkWhole,
  fullReference,
  keyOf,
  nameOf,
  placeOf,
  removeEntries,
  shortName,
  unreferencedOf,
} from './naming.js'
export { Summaries } from './summaries.js'
