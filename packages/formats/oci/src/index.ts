/**
 * The documents of an image: descriptors, manifests, indexes, configs, platforms.
 *
 * @module
 */
export type { HistoryEntry, ImageConfig } from './config.js'
export { checkConfig, parseConfig, platformOf } from './config.js'
export { type CreationTime, creationTime } from './creation-time.js'
export type { Descriptor, Platform } from './descriptor.js'
export { bare, parseDescriptor } from './descriptor.js'
export type { JsonObject } from './json.js'
export { isObject, MAX_DOCUMENT, parseObject } from './json.js'
export type { Index, Manifest } from './manifest.js'
export { isSameKind, parseManifest } from './manifest.js'
export type { Compression, Family } from './media-types.js'
export {
  familyOf,
  isConfigType,
  isDocument,
  isIndexType,
  isManifestType,
  layerMediaType,
  MANIFEST_TYPES,
  MEDIA_TYPES,
  parseLayerType,
  withCompression,
} from './media-types.js'
export { formatPlatform, normalizePlatform, parsePlatform, platformOfNode } from './platform.js'
export { ReferrerCache } from './referrers.js'
export { matches, preferences, selectPlatform } from './select.js'
export { validateConfig, validateDocument } from './strict.js'
