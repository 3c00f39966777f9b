/**
 * The sources of COPY, ADD and contexts: directories, archives, git repositories, files of the web.
 *
 * @module
 */

export {
  type ContextSource,
  contextName,
  type NamedContext,
  readContext,
  readNamedContext,
} from './context.js'
export { contextDigest, contextState } from './context-digest.js'
export { ContextFolders } from './context-folders.js'
export { type Destination, destination, sourcePattern } from './copy-paths.js'
export { FileDigests } from './file-digests.js'
export { lockFile } from './file-lock.js'
export { nameMatcher } from './name-matcher.js'
export { RemoteSources } from './remote-sources.js'
export { type FoundSource, findSources, type SourceTree } from './source-find.js'
export { CONTEXT_OWNER, reading, withDirectory } from './source-root.js'
export { baseName, join, linkText, type SourceEntry, walkSource } from './source-walk.js'
export { TempFolders } from './temp-folders.js'
export { unpackArchive } from './unpack-archive.js'
