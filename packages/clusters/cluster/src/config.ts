/**
 * Turns a cluster image into an OCI image and back. The config is sealer's own, which has the fields of `kind: Image`
 * beside those of every image, and the `rootfs.diff_ids` that sealer leaves out.
 *
 * The types and values of the layers are the history (`COPY a b`, `CMD x`, `BASE rootfs cache`), and their ids are the
 * diffIDs. So every tool and registry can carry the image, and the document with its id can be made from the config
 * alone. Images of the other kinds are ordinary OCI images: see `kind.ts`.
 *
 * @module
 */

import { parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { EXTENSION } from '@pipelayer/kubefile'
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
import { type ImageFacts, kindOf } from './kind.js'

const STEP = /^(COPY|ADD|RUN|CMD|BASE|CMDS|LAUNCH|APP|APPCMDS|CNI|CSI|KUBEVERSION)(?: (.*))?$/s

/** The parts of an image, and its name here. */
export interface ClusterParts extends ImageFacts {
  /** The name of an image whose config does not say under which name it was built. Messages use it too. */
  readonly name: string
}

/**
 * The document of a cluster image, with its id.
 *
 * @throws ToolError `CLUSTER_IMAGE_INVALID` for an image that is no cluster image, or whose history does not fit its
 * number of layers
 */
export function documentOf({ config, annotations, name }: ClusterParts): ImageDocument {
  const kind = kindOf({ config, annotations })
  if (kind === undefined) throw new ToolError('CLUSTER_IMAGE_INVALID', `${name} is no cluster image`)
  const extension = annotations?.[EXTENSION]
  if (kind !== 'kubefile-classic')
    return withID(built(checkDocument(emptyImage(config, extension), name), { config, name }))
  const document = checkDocument(config, name)
  return withID(isComplete(document, config) ? document : built(document, { config, name }))
}

/**
 * Whether the document in a config has the layers of that config. If it names others, it belongs to another image and
 * is ignored.
 */
function isComplete({ spec }: ImageDocument, { rootfs }: JsonObject): boolean {
  if (spec.layers === undefined) return false
  if (!isObject(rootfs) || !Array.isArray(rootfs.diff_ids)) return true
  return spec.layers.flatMap(({ id }) => id ?? []).join() === rootfs.diff_ids.join()
}

function emptyImage(config: JsonObject, extension: string | undefined): object {
  const { architecture, os, variant } = config
  const labels = isObject(config.config) ? config.config.Labels : undefined
  const metadata = extension === undefined ? {} : { annotations: { [EXTENSION]: extension } }
  return {
    kind: 'Image',
    metadata,
    spec: { image_config: { labels }, platform: { architecture, os, variant } },
  }
}

/** Adds the fields that a build leaves open: the name, the layers, and the Clusterfile with the name in it. */
function built(document: ImageDocument, { config, name }: ClusterParts): ImageDocument {
  const { annotations = {}, name: own } = document.metadata
  const { args, labels } = document.spec.image_config
  const clusterfile = annotations[CLUSTERFILE]
  const isClassic = config.kind === 'Image'
  const filled = clusterfile === undefined ? {} : { [CLUSTERFILE]: clusterfileFor(own || name, clusterfile) }
  const all = { ...annotations, ...filled }
  const isAnnotated = isClassic || Object.keys(all).length > 0
  return {
    ...document,
    metadata: { ...document.metadata, name: own || name, ...(isAnnotated && { annotations: all }) },
    spec: {
      ...document.spec,
      image_config: { args: orNull(args), labels: orNull(labels) },
      layers: layersOf(config, name),
      ...(isClassic && { sealer_version: SEALER_VERSION }),
    },
  }
}

/**
 * Makes the config of a cluster image from its document; `documentOf` makes the same document from it again.
 *
 * @param created - RFC 3339
 */
export function configOf(document: ImageDocument, created: string): ImageConfig {
  const { kind, metadata, spec } = document
  // The id is left out, because it is computed from the other fields.
  const { id: _, ...kept } = spec
  const { layers = [], platform, image_config } = spec
  const { architecture = 'amd64', os = 'linux', variant, os_version } = platform
  // A cluster executes every CMD. Programs that do not know sealer look for them here.
  const commands = layers.flatMap(({ type, value }) => (type === 'CMD' && value !== undefined ? [value] : []))
  return {
    created,
    architecture,
    os,
    ...(variant && { variant }),
    ...(os_version && { 'os.version': os_version }),
    config: {
      ...(commands.length > 0 && { Cmd: commands }),
      ...(image_config.labels !== null && { Labels: image_config.labels }),
    },
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
