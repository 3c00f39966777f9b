import { algorithmOf, type Digest, digestOf, isDigest, isWellFormedDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { isObject, type JsonObject } from './json.js'

/** The platform that the content of a descriptor runs on. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
}

/** Names content by type, digest and size. Spec: image-spec v1.1, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string
  /** A well-formed digest, perhaps of an algorithm that we cannot compute. */
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Annotations
  /** The content itself, base64; it matches size and digest. */
  readonly data?: string
  readonly artifactType?: string
  readonly platform?: Platform
}

export type Annotations = Readonly<Record<string, string>>

/** Type names as RFC 6838 has them. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/**
 * Checks a descriptor and returns the fields that the specification defines; `null` counts as absent.
 *
 * ```ts
 * const { mediaType, digest, size } = parseDescriptor(JSON.parse(text))
 * ```
 *
 * @param where - its place in the document, for the error: `layers[0]`
 * @throws ToolError `MANIFEST_INVALID`
 */
export function parseDescriptor(value: unknown, where = 'descriptor'): Descriptor {
  if (!isObject(value)) throw invalid(where, 'is not an object')
  const descriptor: Descriptor = {
    mediaType: mediaTypeIn(value, where),
    digest: digestIn(value, where),
    size: sizeIn(value, where),
    ...optional('urls', stringsIn(value, 'urls', where)),
    ...optional('annotations', annotationsIn(value, where)),
    ...optional('data', stringIn(value, 'data', where)),
    ...optional('artifactType', stringIn(value, 'artifactType', where)),
    ...optional('platform', platformIn(value, where)),
  }
  checkData(descriptor, where)
  return descriptor
}

/** The descriptor with only the three fields that name content. */
export function bare({
  mediaType,
  digest,
  size,
}: Descriptor): Pick<Descriptor, 'mediaType' | 'digest' | 'size'> {
  return { mediaType, digest, size }
}

/** @internal */
export function isMediaType(text: string): boolean {
  return MEDIA_TYPE.test(text)
}

/** @internal */
export function annotationsIn(value: JsonObject, where: string): Annotations | undefined {
  const annotations = value.annotations ?? undefined
  if (annotations === undefined) return undefined
  const valid = isObject(annotations) && Object.values(annotations).every(text => typeof text === 'string')
  if (!valid) throw invalid(where, 'has annotations that are not a map of strings')
  return annotations as Annotations
}

/** @internal */
export function stringIn(value: JsonObject, field: string, where: string): string | undefined {
  const text = value[field] ?? undefined
  if (text !== undefined && typeof text !== 'string')
    throw invalid(where, `has a ${field} that is not a string`)
  return text
}

/** @internal */
export function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V })
}

/** @internal */
export function invalid(where: string, why: string): ToolError {
  return new ToolError('MANIFEST_INVALID', `${where} ${why}`)
}

function mediaTypeIn(value: JsonObject, where: string): string {
  const mediaType = value.mediaType
  if (typeof mediaType !== 'string' || !isMediaType(mediaType)) throw invalid(where, 'has no valid mediaType')
  return mediaType
}

function digestIn(value: JsonObject, where: string): Digest {
  const digest = value.digest
  if (typeof digest !== 'string' || !isWellFormedDigest(digest)) throw invalid(where, 'has no valid digest')
  return digest
}

function sizeIn(value: JsonObject, where: string): number {
  const size = value.size
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(where, `has a size that is not a whole number of bytes: ${JSON.stringify(size)}`)
  }
  return size
}

function stringsIn(value: JsonObject, field: string, where: string): readonly string[] | undefined {
  const list = value[field] ?? undefined
  if (list === undefined) return undefined
  if (!Array.isArray(list) || !list.every(text => typeof text === 'string')) {
    throw invalid(where, `has ${field} that are not a list of strings`)
  }
  return list
}

function platformIn(value: JsonObject, where: string): Platform | undefined {
  const platform = value.platform ?? undefined
  if (platform === undefined) return undefined
  if (!isObject(platform)) throw invalid(where, 'has a platform that is not an object')
  const place = `platform of ${where}`
  return {
    os: stringIn(platform, 'os', place) ?? '',
    architecture: stringIn(platform, 'architecture', place) ?? '',
    ...optional('variant', stringIn(platform, 'variant', place)),
    ...optional('os.version', stringIn(platform, 'os.version', place)),
    ...optional('os.features', stringsIn(platform, 'os.features', place)),
  }
}

// Content in the descriptor itself is checked as any other blob is.
function checkData({ data, digest, size }: Descriptor, where: string): void {
  if (data === undefined) return
  const bytes = Buffer.from(data, 'base64')
  if (bytes.toString('base64') !== data) throw invalid(where, 'has data that is not base64')
  if (bytes.length !== size) throw invalid(where, `has data of ${bytes.length} bytes and a size of ${size}`)
  if (isDigest(digest) && digestOf(bytes, algorithmOf(digest)) !== digest) {
    throw invalid(where, 'has data that does not match its digest')
  }
}
