/**
 * Describes a step of a build: its actions, mounts, secrets and key, which planning, cache and executor share.
 *
 * @module
 */

export {
  type Action,
  type AgentSource,
  type BoundAgent,
  type BoundCache,
  type BoundSecret,
  type BoundTree,
  type BuildContext,
  type ExpectedFiles,
  type FetchedSource,
  type ImagesAction,
  type InlineContent,
  type LayerBlobFile,
  type LayerToUnpack,
  type MergeRequest,
  type Note,
  type Numbered,
  type OverlayName,
  type PackRequest,
  type Reply,
  type Request,
  type RestoreRequest,
  type RunAction,
  SCRIPT_DIR,
  type SecretSource,
  type SourceRoot,
  STEP_NOTE,
  type StartRequest,
  type StepMount,
  type StepNote,
  type StepRequest,
  TREE,
  type TransferAction,
  type TreeForm,
  type UnpackRequest,
  UPPER,
  type WorkdirAction,
} from './executor-protocol.js'
export { type ModeChange, parseMode } from './file-mode.js'
export { isKeyFile, keyBytes } from './key-file.js'
export { type CacheMount, parseMount, type RunMount, type SshMount } from './mounts.js'
export type { Remote, RemoteFinder, RemoteRequest } from './remote.js'
export { parseSecret, secretBytes } from './secrets.js'
export { KEY_VERSION, keyOf } from './step-key.js'
