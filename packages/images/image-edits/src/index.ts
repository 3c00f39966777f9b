/**
 * Images of a stream, changed on their way: fields of the config, annotations, layers on top, another base.
 *
 * @module
 */
export { appendedLayers, packedLayer } from './appended-layer.js'
export { editImages } from './edit-images.js'
export { EDIT_OPTIONS, type EditArgs, imageEditsOf, timeOf } from './edit-options.js'
export type { AppendedLayer, EditContext, ImageEdits } from './options.js'
