/**
 * Manifests and indexes of both families, read strictly: a document that two readers could take for two
 * different things is refused.
 *
 * Spec: image-spec v1.1, manifest.md and image-index.md; Docker image manifest version 2, schema 2.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import {
  type Annotations,
  annotationsIn,
  type Descriptor,
  invalid,
  optional,
  parseDescriptor,
  stringIn,
} from './descriptor.js'
import { type JsonObject, parseObject } from './json.js'
import { isIndexType, isManifestType, MEDIA_TYPES } from './media-types.js'

interface Common {
  /** The declared type, or the one that follows from the document's structure. */
  readonly mediaType: string
  readonly artifactType?: string
  readonly subject?: Descriptor
  readonly annotations?: Annotations
}

/** One image, or an artifact. */
export interface Manifest extends Common {
  readonly kind: 'manifest'
  readonly config: Descriptor
  /** Base first. */
  readonly layers: readonly Descriptor[]
}

/** Several manifests, one for each platform as a rule. */
export interface Index extends Common {
  readonly kind: 'index'
  readonly manifests: readonly Descriptor[]
}

export interface ParseManifestOptions {
  /** The type that a server or a descriptor gave: the document must not contradict it. */
  readonly mediaType?: string | undefined
  /**
   * Called, with a code, where the document and `mediaType` name the same kind of document, one by OCI's name and the
   * other by Docker's. Then the document's own type counts, as for skopeo. Without this function the document is
   * refused.
   */
  readonly warn?: ((message: string, code: string) => void) | undefined
}

/** Keys that are refused in another spelling (`Layers`), which some readers accept and others ignore. */
const KEYS = ['config', 'fsLayers', 'layers', 'manifests', 'mediaType', 'schemaVersion', 'subject']
const SPELLINGS = new Map(KEYS.map(key => [key.toLowerCase(), key]))

/**
 * Reads a manifest or an index. The digest is that of the bytes, so store those and not this object, written anew.
 *
 * ```ts
 * const document = parseManifest(bytes)
 * for (const { digest, size } of children(document)) console.log(digest, size)
 * ```
 *
 * @throws ToolError `MANIFEST_INVALID`, `DOCUMENT_TOO_LARGE`; `MANIFEST_SCHEMA1` for Docker's schema 1;
 * `MEDIA_TYPE_MISMATCH` when the document states another type than `options.mediaType`, except for the cases that
 * `options.warn` is called for; `MEDIA_TYPE_UNSUPPORTED` for a type that is neither
 */
export function parseManifest(bytes: Uint8Array, options: ParseManifestOptions = {}): Manifest | Index {
  const document = parseObject(bytes, ['MANIFEST_INVALID', 'manifest'])
  refuseSpellings(document)
  refuseSchema1(document)
  const kind = has(document, 'manifests') ? 'index' : 'manifest'
  if (kind === 'index' && (has(document, 'layers') || has(document, 'config'))) {
    throw invalid('manifest', 'is ambiguous: it has "manifests" and also "layers" or "config"')
  }
  if (document.schemaVersion !== 2) {
    throw invalid('manifest', `has schemaVersion ${JSON.stringify(document.schemaVersion)}, not 2`)
  }
  const mediaType = typeOf(document, kind, options)
  const common = { mediaType, ...commonFields(document) }
  if (kind === 'index') return { kind, ...common, manifests: descriptorsIn(document, 'manifests') }
  const config = parseDescriptor(document.config, 'config')
  return { kind, ...common, config, layers: descriptorsIn(document, 'layers') }
}

/** Every blob and manifest that a document names, in the order to put them: base layer first, config last. */
export function children(document: Manifest | Index): readonly Descriptor[] {
  return document.kind === 'index' ? document.manifests : [...document.layers, document.config]
}

/** Whether both media types name a manifest, or both an index, be it by OCI's or by Docker's name. */
export function isSameKind(a: string, b: string): boolean {
  return (isManifestType(a) && isManifestType(b)) || (isIndexType(a) && isIndexType(b))
}

type Kind = (Manifest | Index)['kind']

function typeOf(document: JsonObject, kind: Kind, options: ParseManifestOptions): string {
  const { mediaType: expected, warn } = options
  const declared = stringIn(document, 'mediaType', 'manifest') || undefined
  const known = expected !== undefined && (isIndexType(expected) || isManifestType(expected))
  if (declared !== undefined && known && declared !== expected) {
    const message = `manifest says it is ${declared}, but was offered as ${expected}`
    if (warn === undefined || !isSameKind(declared, expected))
      throw new ToolError('MEDIA_TYPE_MISMATCH', message)
    warn(`${message}: read as what it says`, 'MEDIA_TYPE_MISMATCH')
  }
  const mediaType = declared ?? (known ? expected : guess(document, kind))
  if (kind === 'index' ? isIndexType(mediaType) : isManifestType(mediaType)) return mediaType
  if (isIndexType(mediaType) || isManifestType(mediaType)) {
    throw invalid(
      'manifest',
      `has the fields of ${kind === 'index' ? 'an index' : 'a manifest'} but the type ${mediaType}`,
    )
  }
  throw new ToolError('MEDIA_TYPE_UNSUPPORTED', `not a manifest we can read: ${mediaType}`)
}

function guess(document: JsonObject, kind: Kind): string {
  if (kind === 'index') return MEDIA_TYPES.ociIndex
  const config = parseDescriptor(document.config, 'config')
  return config.mediaType === MEDIA_TYPES.dockerConfig ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest
}

function commonFields(document: JsonObject): Omit<Common, 'mediaType'> {
  const subject = document.subject ?? undefined
  return {
    ...optional('artifactType', stringIn(document, 'artifactType', 'manifest')),
    ...optional('subject', subject === undefined ? undefined : parseDescriptor(subject, 'subject')),
    ...optional('annotations', annotationsIn(document, 'manifest')),
  }
}

function descriptorsIn(document: JsonObject, field: 'layers' | 'manifests'): readonly Descriptor[] {
  // Go's encoder writes null for a manifest without layers.
  const list = field === 'layers' && document[field] === null ? [] : document[field]
  if (!Array.isArray(list)) throw invalid('manifest', `has no list "${field}"`)
  return list.map((value, index) => parseDescriptor(value, `${field}[${index}]`))
}

function refuseSpellings(document: JsonObject): void {
  for (const key of Object.keys(document)) {
    const spelling = SPELLINGS.get(key.toLowerCase())
    if (spelling !== undefined && spelling !== key) {
      throw invalid(
        'manifest',
        `is ambiguous: it has the key ${JSON.stringify(key)}, spelled "${spelling}" otherwise`,
      )
    }
  }
}

function refuseSchema1(document: JsonObject): void {
  const { mediaType } = document
  const isSchema1 = mediaType === MEDIA_TYPES.dockerSchema1 || mediaType === MEDIA_TYPES.dockerSchema1Signed
  if (!isSchema1 && !has(document, 'fsLayers') && document.schemaVersion !== 1) return
  throw new ToolError(
    'MANIFEST_SCHEMA1',
    'this is a Docker schema 1 manifest, a format without layer sizes that was retired in 2017: push the image again with a current tool',
  )
}

function has(document: JsonObject, field: string): boolean {
  return Object.hasOwn(document, field)
}
