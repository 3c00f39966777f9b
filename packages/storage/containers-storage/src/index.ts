/**
 * The storage of podman, buildah, skopeo and CRI-O (containers/storage), read as files.
 *
 * @module
 */
export { ContainersStorage, type StorageLocation } from './containers-storage.js'
export type { StoredImage, StoredLayer } from './records.js'
