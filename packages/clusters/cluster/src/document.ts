/**
 * sealer's `kind: Image`: the document that describes a cluster image.
 *
 * Spec: sealerio/sealer v0.7.1, types/api/v1/image_types.go
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { ToolError } from '@pipelayer/errors'
import { formatYAML, valueOf, yamlDocuments } from '@pipelayer/yaml'

/** A step. `id` is the diffID of its layer; CMD, and steps that changed nothing, have none. */
export interface ClusterLayer {
  readonly id?: string
  /** `COPY`, `RUN`, `CMD`, `BASE`, or empty if it is not known. */
  readonly type?: string
  /** The text after the keyword; for BASE it is `rootfs cache`. */
  readonly value?: string
}

export interface ClusterPlatform {
  readonly architecture?: string
  readonly os?: string
  readonly os_version?: string
  readonly variant?: string
}

type Texts = Readonly<Record<string, string>>

export interface ImageDocument {
  readonly kind: 'Image'
  readonly metadata: {
    /** The name as given to `-t`. */
    readonly name: string
    readonly creationTimestamp: null
    readonly annotations?: Texts
  }
  readonly spec: {
    /** 64 hexadecimal digits: see {@link imageID}. */
    readonly id?: string
    readonly image_config: { readonly args: Texts | null; readonly labels: Texts | null }
    readonly layers?: readonly ClusterLayer[]
    readonly platform: ClusterPlatform
    readonly sealer_version?: string
  }
  readonly status: Readonly<Record<string, never>>
}

/** The annotation that holds the Clusterfile. */
export const CLUSTERFILE = 'sea.aliyun.com/ClusterFile'
/** The version of sealer whose form of the document this is. */
export const SEALER_VERSION = 'v0.7.1'

/** The document as YAML, as sealer writes it. */
export function formatDocument(document: ImageDocument): string {
  return formatYAML(document)
}

/** sealer's image id: the digest of the document without its id, without the prefix `sha256:`. */
export function imageID(document: ImageDocument): string {
  const { id: _, ...spec } = document.spec
  return createHash('sha256')
    .update(formatYAML({ ...document, spec }))
    .digest('hex')
}

/** The document with its id. */
export function withID(document: ImageDocument): ImageDocument {
  return { ...document, spec: { ...document.spec, id: imageID(document) } }
}

const LAYER_ID = /^sha256:[0-9a-f]{64}$/

/**
 * Reads a document.
 *
 * @param file - its name in messages
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`, `CLUSTER_IMAGE_INVALID` if it is no `kind: Image`
 */
export function parseDocument(text: string, file: string): ImageDocument {
  const [node, more] = yamlDocuments(text, { file })
  if (node === undefined || more !== undefined) throw invalid(file, 'it is not one document')
  return checkDocument(valueOf(node, file), file)
}

/** Does the same as {@link parseDocument} for a value that is parsed already. */
export function checkDocument(value: unknown, file: string): ImageDocument {
  const document = objectOf(value)
  if (document.kind !== 'Image')
    throw invalid(file, `expected kind: Image, got ${JSON.stringify(document.kind)}`)
  const metadata = objectOf(document.metadata)
  const spec = objectOf(document.spec)
  const { args, labels } = objectOf(spec.image_config)
  const layers = Array.isArray(spec.layers) ? spec.layers.map(layer => layerOf(layer, file)) : []
  const annotations = textsOf(metadata.annotations)
  return {
    kind: 'Image',
    metadata: { name: textOf(metadata.name), creationTimestamp: null, ...(annotations && { annotations }) },
    spec: {
      ...(typeof spec.id === 'string' && { id: spec.id }),
      image_config: { args: flatArgs(args), labels: textsOf(labels) ?? null },
      ...(layers.length > 0 && { layers }),
      platform: textsOf(spec.platform) ?? {},
      ...(typeof spec.sealer_version === 'string' && { sealer_version: spec.sealer_version }),
    },
    status: {},
  }
}

function layerOf(value: unknown, file: string): ClusterLayer {
  const { id, type, value: text } = objectOf(value)
  if (id !== undefined && !(typeof id === 'string' && LAYER_ID.test(id)))
    throw invalid(file, `the layer id ${JSON.stringify(id)} is no sha256 digest`)
  return {
    ...(id !== undefined && { id }),
    ...(typeof type === 'string' && type !== '' && { type }),
    ...(text !== undefined && text !== null && { value: String(text) }),
  }
}

/** sealer 0.8 keeps the arguments of the base in a field of their own: `{parent, current}`. */
function flatArgs(args: unknown): Texts | null {
  const { parent, current, ...own } = objectOf(args)
  if (typeof parent !== 'object' && typeof current !== 'object') return textsOf(args) ?? null
  return { ...textsOf(parent), ...textsOf(current), ...textsOf(own) }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}

function textsOf(value: unknown): Texts | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, textOf(one)]))
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value)
}

function invalid(file: string, why: string): ToolError {
  return new ToolError('CLUSTER_IMAGE_INVALID', `${file}: ${why}`)
}
