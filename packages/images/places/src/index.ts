/**
 * Places: where images come from and go to, behind one interface.
 *
 * @module
 */
export { isAbsent } from './absent.js'
export { imagesInArchive, type NamedInArchive } from './archive-names.js'
export { Archives } from './archives.js'
export { parseDockerArchive } from './docker-archive.js'
export { readDocument } from './documents.js'
export { fetchBlob, fillBlob } from './fetch.js'
export { nameIndexOf } from './layout-place.js'
export type { Limit } from './limit.js'
export { limitTo } from './limit.js'
export { parseOci } from './oci.js'
export { openPlace, parsePlace, placesIn } from './open.js'
export type {
  Name,
  Place,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceWriter,
  Published,
} from './place.js'
export type { RemoteOptions } from './remote.js'
export { Connections, credentialPlaces, remoteOptions, sessionOptions } from './remote.js'
export { stdinOf } from './standard.js'
