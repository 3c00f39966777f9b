/**
 * Kubefiles: those of sealer in both its dialects, and those of sealos.
 *
 * @module
 */

export { type ApplicationSource, applicationType } from './application.js'
export { explainDialect } from './dialect.js'
export type { Dialect, KubefileFields } from './fields.js'
export {
  type FileLanguage,
  fileLanguage,
  LANGUAGE_OPTIONS,
  type Language,
  languageNamed,
} from './file-language.js'
export {
  checkImageType,
  EXTENSION,
  IMAGE_TYPES,
  SEALER_TYPES,
  SEALOS_TYPE,
  SEALOS_VERSION,
  SEALOS_VERSIONS,
} from './image-type.js'
export { parseKubefile } from './kubefile.js'
export { parseListFlag } from './list-flag.js'
export { type Application, type KubefileMeaning, kubefileMeaning, withArch } from './meaning.js'
export { parseRawKubefile } from './newer.js'
