/**
 * A cluster image as an OCI image: its config is sealer's own, `kind: Image` beside the fields of every image, and with the
 * `rootfs.diff_ids` that sealer leaves out.
 *
 * Layers, their types and values are the history (`COPY a b`, `CMD x`, `BASE rootfs cache`), their ids are diffIDs. So the
 * image can be carried by every tool and registry, and the document, with its id, comes back from the config alone.
 * Images of sealer 0.9 and later are ordinary OCI images with an annotation of their manifest, {@link EXTENSION}.
 *
 * @module
 */

import { parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { HistoryEntry, ImageConfig, JsonObject } from '@pipelayer/oci'
import { isObject } from '@pipelayer/oci'
import { clusterfileFor } from './clusterfile.js'
import {
  CLUSTERFILE,
  type ClusterLayer,
  checkDocument,
  type ImageDocument,
  SEALER_VERSION,
  withID,
} from './document.js'

/** The annotation by which a manifest is that of a cluster image of sealer 0.9 and later. */
const EXTENSION = 'sealer.image.extension'
const STEP = /^(COPY|ADD|RUN|CMD|BASE|CMDS|LAUNCH|APP|APPCMDS|CNI|CSI|KUBEVERSION)(?: (.*))?$/s

/** What an image consists of, and what it is called here. */
export interface ClusterParts {
  readonly config: JsonObject
  /** Of its manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined
  /** Of an image that does not say under which name it was built; what messages call it, too. */
  readonly name: string
}

/** Whether an image is one of a cluster. */
export function isCluster({ config, annotations }: Omit<ClusterParts, 'name'>): boolean {
  return (config.kind === 'Image' && isObject(config.spec)) || annotations?.[EXTENSION] !== undefined
}

/**
 * The document of a cluster image, with its id.
 *
 * @throws ToolError `CLUSTER_IMAGE_INVALID` for an image that is none, or whose history and layers differ in number
 */
export function documentOf({ config, annotations, name }: ClusterParts): ImageDocument {
  if (!isCluster({ config, annotations }))
    throw new ToolError('CLUSTER_IMAGE_INVALID', `${name} is no cluster image`)
  const extension = annotations?.[EXTENSION]
  if (config.kind !== 'Image')
    return withID(built(checkDocument(emptyImage(config, extension), name), { config, name }))
  const document = checkDocument(config, name)
  return withID(isComplete(document, config) ? document : built(document, { config, name }))
}

/** Layers are what the config says: a document that names others is of another image, and does not count. */
function isComplete({ spec }: ImageDocument, { rootfs }: JsonObject): boolean {
  if (spec.layers === undefined) return false
  if (!isObject(rootfs) || !Array.isArray(rootfs.diff_ids)) return true
  return spec.layers.flatMap(({ id }) => id ?? []).join() === rootfs.diff_ids.join()
}

function emptyImage(config: JsonObject, extension: string | undefined): object {
  const { architecture, os, variant } = config
  const labels = isObject(config.config) ? config.config.Labels : undefined
  const metadata = { annotations: { [EXTENSION]: extension } }
  return {
    kind: 'Image',
    metadata,
    spec: { image_config: { labels }, platform: { architecture, os, variant } },
  }
}

/** What a build leaves open is known now: the name, the layers, the Clusterfile with the name in it. */
function built(document: ImageDocument, { config, name }: ClusterParts): ImageDocument {
  const { annotations = {}, name: own } = document.metadata
  const { args, labels } = document.spec.image_config
  const clusterfile = annotations[CLUSTERFILE]
  const filled = clusterfile === undefined ? {} : { [CLUSTERFILE]: clusterfileFor(own || name, clusterfile) }
  return {
    ...document,
    metadata: { ...document.metadata, name: own || name, annotations: { ...annotations, ...filled } },
    spec: {
      ...document.spec,
      image_config: { args: orNull(args), labels: orNull(labels) },
      layers: layersOf(config, name),
      sealer_version: SEALER_VERSION,
    },
  }
}

/**
 * The config of a cluster image from its document: `documentOf` gives the same document back.
 *
 * @param created - RFC 3339
 */
export function configOf(document: ImageDocument, created: string): ImageConfig {
  const { kind, metadata, spec } = document
  // The id follows from the rest.
  const { id: _, ...kept } = spec
  const { layers = [], platform, image_config } = spec
  const { architecture = 'amd64', os = 'linux', variant, os_version } = platform
  return {
    created,
    architecture,
    os,
    ...(variant && { variant }),
    ...(os_version && { 'os.version': os_version }),
    config: image_config.labels === null ? {} : { Labels: image_config.labels },
    rootfs: {
      type: 'layers',
      diff_ids: layers.flatMap(({ id }) => (id === undefined ? [] : [parseDigest(id)])),
    },
    history: layers.map(layer => stepOf(layer, created)),
    kind,
    metadata,
    spec: kept,
  }
}

function stepOf({ id, type = '', value = '' }: ClusterLayer, created: string): HistoryEntry {
  return { created, created_by: `${type} ${value}`.trim(), ...(id === undefined && { empty_layer: true }) }
}

function layersOf(config: JsonObject, name: string): readonly ClusterLayer[] {
  const { rootfs, history } = config
  const ids = [...(isObject(rootfs) && Array.isArray(rootfs.diff_ids) ? rootfs.diff_ids.map(String) : [])]
  const layers = (Array.isArray(history) ? history.filter(isObject) : []).map(entry => {
    const by = typeof entry.created_by === 'string' ? entry.created_by : ''
    const [, type, value = ''] = STEP.exec(by) ?? [by, undefined, by]
    const id = entry.empty_layer === true ? undefined : ids.shift()
    if (id === undefined && entry.empty_layer !== true)
      throw new ToolError('CLUSTER_IMAGE_INVALID', `${name}: its history has more layers than its rootfs`)
    return {
      ...(id !== undefined && { id }),
      ...(type !== undefined && { type }),
      ...(value !== '' && { value }),
    }
  })
  return [...layers, ...ids.map(id => ({ id }))]
}

function orNull(texts: Readonly<Record<string, string>> | null): Readonly<Record<string, string>> | null {
  return texts === null || Object.keys(texts).length === 0 ? null : texts
}
