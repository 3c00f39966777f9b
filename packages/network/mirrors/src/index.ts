/**
 * Which hosts serve a repository, as containers-registries.conf(5) and containerd's hosts.toml say. The only package
 * that reads TOML.
 *
 * @module
 */
export type { Route } from './endpoint.js'
export { mirrorFiles, type Router, readHelpers, readMirrors } from './router.js'
