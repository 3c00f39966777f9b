/**
 * Which hosts serve a repository, as containers-registries.conf(5) and containerd's hosts.toml say. The only package
 * that reads TOML.
 *
 * @module
 */
export type { Endpoint, Route, RouteOptions } from './endpoint.js'
export { parseHosts } from './hosts-toml.js'
export { parseRegistries, type Registries, routeIn } from './registries-conf.js'
export { type MirrorFiles, mirrorFiles, type Router, readHelpers, readMirrors } from './router.js'
