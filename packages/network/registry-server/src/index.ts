/**
 * Serves the registry protocol, OCI distribution-spec v1.1, from an OCI layout or from distribution's folder.
 *
 * @module
 */
export { FolderStorage } from './folder-storage.js'
export { Htpasswd } from './htpasswd.js'
export { LayoutStorage } from './layout-storage.js'
export { RegistryServer } from './server.js'
export type { RegistryStorage } from './storage.js'
