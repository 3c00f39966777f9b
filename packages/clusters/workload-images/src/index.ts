/**
 * Finds the container images that manifests, charts and lists of images name, with files and lines.
 *
 * @module
 */

export { type ChartFile, type ChartFiles, guessedImages, renderedImages } from './chart.js'
export { findHelm } from './find-helm.js'
export type { FoundImage, FoundIn } from './found.js'
export { type AuthorizedList, authorizedList, imageListImages, type RegistryLogin } from './image-list.js'
export { manifestImages } from './manifest.js'
export { imageReferences } from './references.js'
export { type ScanOptions, type ScanResult, scan, textImages } from './scan.js'
export { sealerImage, sealerImages } from './sealer-lines.js'
export { templateImages, type ValueOfAction } from './template-lines.js'
