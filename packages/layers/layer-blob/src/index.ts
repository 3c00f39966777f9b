/**
 * Reads the tar in the blob of a layer and checks it against what is expected.
 *
 * @module
 */

export {
  type BlobFile,
  fileBytes,
  type OpenTar,
  openBlob,
  openTar,
  provenTar,
  type TarLimits,
} from './blob-file.js'
export { checkedTar, checkTar } from './checked-tar.js'
export { checkDiffIDs } from './image-check.js'
export { blobBytes, layerBlob, type OpenBlob } from './layer-blob.js'
export { layerFile } from './layer-file.js'
