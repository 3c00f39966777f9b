/**
 * Finds the container images that manifests, charts and lists of images name, with files and lines.
 *
 * @module
 */

export { guessedImages } from './chart.js'
export type { ChartFile } from './chart-templates.js'
export { findHelm } from './find-helm.js'
export type { FoundImage } from './found.js'
export { authorizedList, imageListImages, type RegistryLogin } from './image-list.js'
export { manifestImages } from './manifest.js'
export { imageReferences } from './references.js'
export { type ScanResult, scan, textImages } from './scan.js'
export { sealerImage, sealerImages } from './sealer-lines.js'
