/**
 * Which container images manifests, charts and lists of images name. Texts in, references with their lines out.
 *
 * @module
 */

export { type ChartFile, type ChartFiles, guessedImages, renderedImages } from './chart.js'
export type { FoundImage, FoundIn } from './found.js'
export { type AuthorizedList, authorizedList, imageListImages, type RegistryLogin } from './image-list.js'
export { manifestImages } from './manifest.js'
export { sealerImage, sealerImages } from './sealer-lines.js'
export { templateImages, type ValueOfAction } from './template-lines.js'
