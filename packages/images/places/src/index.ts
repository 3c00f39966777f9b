/**
 * Places: where images come from and go to, behind one interface.
 *
 * @module
 */
export { isAbsent } from './absent.js'
export type { DockerArchiveName } from './docker-archive.js'
export { parseDockerArchive } from './docker-archive.js'
export { readDocument } from './documents.js'
export type { FetchOptions } from './fetch.js'
export { fetchBlob, fillBlob } from './fetch.js'
export { nameIndexOf } from './layout-place.js'
export type { Limit } from './limit.js'
export { limitTo } from './limit.js'
export type { OciName } from './oci.js'
export { parseOci } from './oci.js'
export type { PlaceName } from './open.js'
export { openPlace, parsePlace } from './open.js'
export type {
  Name,
  NameIndex,
  OpenBlob,
  Place,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceWriter,
  Published,
  RegistryOptions,
} from './place.js'
export type { Remote, RemoteAccess, RemoteContext, RemoteOptions } from './remote.js'
export { Connections, credentialPlaces, remoteOptions, sessionOptions } from './remote.js'
