/**
 * The documents of an image, written and edited: its config, its manifest, the index that lists it.
 *
 * @module
 */
export { familyTypes, indexDocument, indexEntry, layerDescriptor, readDocument } from './documents.js'
export { type ConfigEdits, pairs, type TriggerEdits, withEdits } from './edits.js'
export { type FinishedImage, type FinishOptions, finishImage } from './finish.js'
export type { ImageParts } from './image-parts.js'
export { editsOf } from './option-edits.js'
export { annotated, relisted, replacing } from './relisted.js'
