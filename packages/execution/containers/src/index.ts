/**
 * Containers of single commands: runtime specs, runtimes, users, and the namespaces in which a step runs.
 *
 * @module
 */

export { accountsIn } from './accounts.js'
export { type Caller, callerOf, formOf } from './caller.js'
export { ALL_CAPABILITIES, boundingCapabilities, heldCapabilities } from './capabilities.js'
export { type Ended, type Runtime, type RuntimeName, runContainer, runProgram } from './container.js'
export { DEFAULT_PATH } from './default-path.js'
export { checkEmulator, EMULATOR_HINT } from './emulator.js'
export { findProgram } from './find-program.js'
export { holdsID, RANGES } from './id-map.js'
export { IN_NAMESPACES, startInside } from './inside.js'
export { placeMounts, replaceMountPoints } from './mount-places.js'
export { probeRuntime } from './runtime-probe.js'
export {
  type ContainerLimits,
  type ContainerRequest,
  DEFAULT_CAPABILITIES,
  type Hook,
  type Mount,
  type ProcessLimit,
  type RuntimeCaller,
  runtimeSpec,
  STANDARD_MOUNTS,
  specText,
} from './runtime-spec.js'
export { seccompFilter } from './seccomp.js'
export { shellWord } from './shell-word.js'
export type { Output } from './step-output.js'
export { Stubs } from './stubs.js'
export { unmount } from './unmount.js'
export { type Identity, ownerIdentity, processIdentity } from './users.js'
export { resolveCwd } from './working-dir.js'
