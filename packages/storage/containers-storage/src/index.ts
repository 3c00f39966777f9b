/**
 * The storage of podman, buildah, skopeo and CRI-O (containers/storage), read as files.
 *
 * @module
 */
export { ContainersStorage } from './containers-storage.js'
export type { StoredImage, StoredLayer } from './records.js'
