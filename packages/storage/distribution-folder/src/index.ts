/**
 * The folder in which distribution (the docker-registry program) keeps a registry, read and written as files.
 *
 * @module
 */
export { Batch } from './batch.js'
export {
  blobsIn,
  type FolderBlob,
  type Found,
  type RepositoryContents,
  repositoriesIn,
  temporariesIn,
} from './contents.js'
export { DistributionFolder } from './folder.js'
export { isName, isTag } from './paths.js'
export { FolderRepository } from './repository.js'
