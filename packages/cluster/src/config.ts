/**
 * A cluster image as an OCI image: its config says all that the document does.
 *
 * Layers, their types and values are the history; ids are diffIDs; what an OCI config has no field for are labels. So the
 * image can be carried by every tool and registry, and the document, with its id, comes back from the config alone.
 *
 *     io.pipelayer.cluster.name   the name that it was built under       sea.aliyun.com/ClusterFile   the Clusterfile
 *     io.pipelayer.cluster.args   the build's arguments, as JSON         io.pipelayer.cluster.document   see DOCUMENT
 *
 * @module
 */

import { parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { HistoryEntry, ImageConfig, JsonObject } from '@pipelayer/oci'
import { isObject } from '@pipelayer/oci'
import {
  CLUSTERFILE,
  type ClusterLayer,
  checkDocument,
  type ImageDocument,
  SEALER_VERSION,
  withID,
} from './document.js'

const NAME = 'io.pipelayer.cluster.name'
const ARGS = 'io.pipelayer.cluster.args'
/** The whole document, where the rest does not give it back: those that other programs made. */
const DOCUMENT = 'io.pipelayer.cluster.document'
const STEP = /^(COPY|ADD|RUN|CMD|BASE|CMDS|LAUNCH|APP|APPCMDS|CNI|CSI|KUBEVERSION)(?: (.*))?$/s

export interface ClusterFacts {
  readonly name: string
  readonly args: Readonly<Record<string, string>>
  /** See `clusterfileFor`. */
  readonly clusterfile: string | undefined
}

type Labels = Readonly<Record<string, string>>

/** The labels that make a cluster image of an image. */
export function clusterLabels({ name, args, clusterfile }: ClusterFacts): Labels {
  return {
    [NAME]: name,
    ...(clusterfile !== undefined && { [CLUSTERFILE]: clusterfile }),
    ...(Object.keys(args).length > 0 && { [ARGS]: JSON.stringify(args) }),
  }
}

/** The arguments that {@link clusterLabels} kept. */
export function clusterArgs(labels: Labels): Readonly<Record<string, string>> {
  return textsOf(parsed(labels[ARGS]))
}

/** Whether a config is that of a cluster image, ours or sealer's own. */
export function isClusterConfig(config: JsonObject): boolean {
  return labelsOf(config)[NAME] !== undefined || (config.kind === 'Image' && isObject(config.spec))
}

/**
 * The document of a cluster image, with its id: made from an OCI config, or the one that sealer's own config is.
 *
 * @param name - what messages call the image
 * @throws ToolError `CLUSTER_IMAGE_INVALID` for an image that is none, or whose history and layers differ in number
 */
export function documentOf(config: JsonObject, name: string): ImageDocument {
  const labels = labelsOf(config)
  const own = labels[NAME]
  if (own === undefined) {
    if (isClusterConfig(config)) return withID(checkDocument(config, name))
    throw new ToolError(
      'CLUSTER_IMAGE_INVALID',
      `${name} is no cluster image: its config has no label ${NAME}`,
    )
  }
  const kept = labels[DOCUMENT] === undefined ? undefined : keptDocument(labels[DOCUMENT], config, name)
  if (kept !== undefined) return kept
  const { [NAME]: _, [ARGS]: __, [DOCUMENT]: ___, [CLUSTERFILE]: clusterfile, ...others } = labels
  const args = clusterArgs(labels)
  return withID({
    kind: 'Image',
    metadata: {
      name: own,
      creationTimestamp: null,
      ...(clusterfile !== undefined && { annotations: { [CLUSTERFILE]: clusterfile } }),
    },
    spec: {
      image_config: { args: orNull(args), labels: orNull(others) },
      layers: layersOf(config, name),
      platform: platformOf(config),
      sealer_version: SEALER_VERSION,
    },
    status: {},
  })
}

/** Layers are what the config says: a document that names others is of another image, and does not count. */
function keptDocument(text: string, config: JsonObject, name: string): ImageDocument | undefined {
  const document = withID(checkDocument(parsed(text), `${name}: ${DOCUMENT}`))
  const ids = (document.spec.layers ?? []).flatMap(({ id }) => id ?? [])
  const known = layersOf(config, name).flatMap(({ id }) => id ?? [])
  return ids.join() === known.join() ? document : undefined
}

/**
 * The config of a cluster image from its document: `documentOf` gives the same document back.
 *
 * @param created - RFC 3339
 */
export function configOf(document: ImageDocument, created: string): ImageConfig {
  const config = plainConfigOf(document, created)
  const name = document.metadata.name
  if (documentOf(config, name).spec.id === withID(document).spec.id) return config
  const labels = { ...labelsOf(config), [DOCUMENT]: JSON.stringify(document) }
  return { ...config, config: { Labels: labels } }
}

function plainConfigOf({ spec, metadata }: ImageDocument, created: string): ImageConfig {
  const layers = spec.layers ?? []
  const { architecture = 'amd64', os = 'linux', variant, os_version } = spec.platform
  const clusterfile = metadata.annotations?.[CLUSTERFILE]
  const labels = clusterLabels({ name: metadata.name, args: spec.image_config.args ?? {}, clusterfile })
  return {
    created,
    architecture,
    os,
    ...(variant && { variant }),
    ...(os_version && { 'os.version': os_version }),
    config: { Labels: { ...spec.image_config.labels, ...labels } },
    rootfs: {
      type: 'layers',
      diff_ids: layers.flatMap(({ id }) => (id === undefined ? [] : [parseDigest(id)])),
    },
    history: layers.map(layer => stepOf(layer, created)),
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

function platformOf(config: JsonObject): ImageDocument['spec']['platform'] {
  const text = (field: string): string | undefined => {
    const value = config[field]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const [architecture, os, variant, version] = ['architecture', 'os', 'variant', 'os.version'].map(text)
  return {
    ...(architecture && { architecture }),
    ...(os && { os }),
    ...(version && { os_version: version }),
    ...(variant && { variant }),
  }
}

function labelsOf({ config }: JsonObject): Labels {
  return isObject(config) ? textsOf(config.Labels) : {}
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function textsOf(value: unknown): Labels {
  if (!isObject(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (typeof one === 'string' ? [[key, one]] : [])),
  )
}

function orNull(texts: Labels): Labels | null {
  return Object.keys(texts).length === 0 ? null : texts
}
