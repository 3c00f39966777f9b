/**
 * Which hosts serve a repository, as containers-registries.conf(5) and containerd's hosts.toml say. The only package
 * that reads TOML.
 *
 * @module
 */
export { isTable, type Route, type Table } from './endpoint.js'
export { parseTOML } from './registries-conf.js'
export { mirrorFiles, type Router, readHelpers, readMirrors } from './router.js'
