/**
 * Builds: the executor of Dockerfile instructions, its cache, and the runtime config of a container.
 *
 * @module
 */

export { accountsIn } from './accounts.js'
export { executeBuild } from './build.js'
export { runExecutor } from './executor.js'
export type { RuntimeName } from './executor-protocol.js'
export { type GitCommit, type GitOptions, type GitWanted, resolveCommit } from './git-repository.js'
export { type CheckoutOptions, checkoutCommit, subdirectory } from './git-source.js'
export { fetchHttp, type HttpFile, type HttpSourceOptions, httpFileName } from './http-source.js'
export { DEFAULT_PATH } from './image-config.js'
export { replaceMountPoints } from './mount-places.js'
export type { BuildOptions } from './options.js'
export { TIMEOUT_OPTION } from './options.js'
export { binaryOf, Rooted } from './rooted.js'
export { type ContainerWish, type Mount, runtimeSpec } from './runtime-spec.js'
export { type Accounts, type Identity, processIdentity } from './users.js'
export { resolveCwd } from './working-dir.js'
