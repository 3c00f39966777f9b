/**
 * Checks documents against image-spec's schemas. This is stricter than a reader needs, and meant for documents that we
 * write.
 *
 * Fields that are `null` count as absent, as everywhere. Docker's media types are held to the rules of their OCI twins.
 *
 * Spec: image-spec v1.1, schema/.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { parseConfig } from './config.js'
import { type Descriptor, isMediaType, parseDescriptor } from './descriptor.js'
import { isObject, type JsonObject, parseObject } from './json.js'
import { parseManifest } from './manifest.js'
import { isConfigType, isIndexType, isManifestType, MEDIA_TYPES } from './media-types.js'

/** Says what is wrong with a value; undefined when nothing is. */
type Check = (value: unknown) => string | undefined
type Fields = Readonly<Record<string, Check>>

/** RFC 3339, to any fraction of a second. */
const DATE_TIME = /^\d{4}-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

const isString: Check = value => (typeof value === 'string' ? undefined : 'is not a string')
const isBoolean: Check = value => (typeof value === 'boolean' ? undefined : 'is not true or false')
const isStrings: Check = value =>
  Array.isArray(value) && value.every(item => typeof item === 'string')
    ? undefined
    : 'is not a list of strings'
const isTime: Check = value =>
  typeof value === 'string' && DATE_TIME.test(value) && !Number.isNaN(Date.parse(value.replace(':60', ':59')))
    ? undefined
    : 'is no time as RFC 3339 has it'
const isEnv: Check = value =>
  isStrings(value) ??
  ((value as string[]).every(entry => /^[^=]+=/.test(entry))
    ? undefined
    : 'has an entry that is not NAME=VALUE')
const isMapOf =
  (check: (item: unknown) => boolean, what: string): Check =>
  value =>
    isObject(value) && Object.values(value).every(check) ? undefined : `is not a map of ${what}`

const CONFIG: Fields = {
  User: isString,
  ExposedPorts: isMapOf(isObject, 'empty objects'),
  Env: isEnv,
  Entrypoint: isStrings,
  Cmd: isStrings,
  Volumes: isMapOf(isObject, 'empty objects'),
  WorkingDir: isString,
  Labels: isMapOf(item => typeof item === 'string', 'strings'),
  StopSignal: isString,
  ArgsEscaped: isBoolean,
}
const HISTORY: Fields = {
  created: isTime,
  author: isString,
  created_by: isString,
  comment: isString,
  empty_layer: isBoolean,
}
const DOCUMENT: Fields = {
  created: isTime,
  author: isString,
  architecture: isString,
  variant: isString,
  os: isString,
  'os.version': isString,
  'os.features': isStrings,
}

/**
 * Holds a document to the schema of its media type: descriptor, layout header, manifest, index or config of either
 * family. A document of another type passes.
 *
 * @throws ToolError `MANIFEST_INVALID`, `CONFIG_INVALID`, `LAYOUT_INVALID`, and those of {@link parseManifest}
 */
export function validateDocument(bytes: Uint8Array, mediaType: string): void {
  if (isManifestType(mediaType) || isIndexType(mediaType)) validateManifest(bytes, mediaType)
  else if (isConfigType(mediaType)) validateConfig(parseConfig(bytes))
  else if (mediaType === MEDIA_TYPES.ociDescriptor)
    validateDescriptor(parseDescriptor(parseObject(bytes, ['MANIFEST_INVALID', 'descriptor'])), 'descriptor')
  else if (mediaType === MEDIA_TYPES.ociLayout)
    validateLayout(parseObject(bytes, ['LAYOUT_INVALID', 'oci-layout']))
}

/**
 * {@link validateDocument} for a config that was read already.
 *
 * @throws ToolError `CONFIG_INVALID`
 */
export function validateConfig(document: JsonObject): void {
  for (const field of ['architecture', 'os'])
    if ((document[field] ?? '') === '') throw invalidConfig(`has no ${field}`)
  checkFields(document, DOCUMENT, 'config')
  if (isObject(document.config)) checkFields(document.config, CONFIG, '"config" of the config')
  const history = Array.isArray(document.history) ? document.history : []
  for (const [index, entry] of history.entries())
    checkFields(entry, HISTORY, `history[${index}] of the config`)
}

function validateManifest(bytes: Uint8Array, mediaType: string): void {
  const document = parseManifest(bytes, { mediaType })
  if (document.kind === 'manifest') {
    for (const [index, layer] of document.layers.entries()) validateDescriptor(layer, `layers[${index}]`)
    validateDescriptor(document.config, 'config')
  } else
    for (const [index, entry] of document.manifests.entries()) validateEntry(entry, `manifests[${index}]`)
  if (document.subject !== undefined) validateDescriptor(document.subject, 'subject')
  checkType(document.artifactType, 'manifest')
}

function validateEntry(entry: Descriptor, where: string): void {
  validateDescriptor(entry, where)
  const { platform } = entry
  if (platform !== undefined && (platform.os === '' || platform.architecture === ''))
    throw invalidManifest(`${where} has a platform without os or architecture`)
}

function validateDescriptor({ artifactType, urls = [] }: Descriptor, where: string): void {
  checkType(artifactType, where)
  const bad = urls.find(url => !URL.canParse(url))
  if (bad !== undefined) throw invalidManifest(`${where} has the url ${JSON.stringify(bad)}, which is none`)
}

function checkType(artifactType: string | undefined, where: string): void {
  if (artifactType !== undefined && !isMediaType(artifactType))
    throw invalidManifest(`${where} has no valid artifactType`)
}

function validateLayout({ imageLayoutVersion: version }: JsonObject): void {
  if (version === '1.0.0') return
  throw new ToolError(
    'LAYOUT_INVALID',
    `oci-layout has imageLayoutVersion ${JSON.stringify(version)}, not "1.0.0"`,
  )
}

function checkFields(object: JsonObject, fields: Fields, where: string): void {
  for (const [name, check] of Object.entries(fields)) {
    const value = object[name] ?? undefined
    const wrong = value === undefined ? undefined : check(value)
    if (wrong !== undefined) throw invalidConfig(`is invalid: ${JSON.stringify(name)} in ${where} ${wrong}`)
  }
}

function invalidConfig(why: string): ToolError {
  return new ToolError('CONFIG_INVALID', `config ${why}`)
}

function invalidManifest(why: string): ToolError {
  return new ToolError('MANIFEST_INVALID', why)
}
