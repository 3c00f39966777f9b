/**
 * Go's templates with the functions of Sprig and Helm, rendered as far as their values are known.
 *
 * @module
 */

export type { TemplateFunction } from './evaluate.js'
export type { ParsedTemplate } from './nodes.js'
export { expressionsOf, parseTemplate } from './parser.js'
export { isLimit, Renderer } from './render.js'
export { HOLE, isList, isMap, type Method, UNKNOWN, type Value } from './value.js'
