/**
 * Merges images of sealos, or of sealer 0.9 and later, into one.
 *
 * Layers follow in order; those that a later image shares with the first, from the bottom up, come once. Of labels and
 * variables those of later images count, except that a `rootfs` stays one; commands of all images are executed, in
 * order. Applications of sealer's annotation are joined by their names.
 *
 * Spec: labring/sealos v5, pkg/buildimage/merge.go
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { EXTENSION, SEALER_TYPES, SEALOS_TYPE } from '@pipelayer/kubefile'
import { type Descriptor, type HistoryEntry, isObject, type JsonObject } from '@pipelayer/oci'
import { extensionOf, type ImageFacts, mountOf, typeOf } from './kind.js'

/** An image with the descriptors of its layers. */
export interface LayeredImage extends ImageFacts {
  /** The name in messages. */
  readonly name: string
  readonly layers: readonly Descriptor[]
}

interface MergedImage {
  readonly config: JsonObject
  readonly annotations: Readonly<Record<string, string>>
  readonly layers: readonly Descriptor[]
}

interface Layer {
  readonly diffID: string
  readonly blob: Descriptor
}

/**
 * @param kind - of all images
 * @param created - RFC 3339
 * @throws ToolError `PLATFORM_MISMATCH` if they are not all for one platform; `LAYERS_MISSING` for an image whose config
 * and manifest have different layers; `USAGE` without images
 */
export function mergeImages(
  images: readonly LayeredImage[],
  { kind, created }: { readonly kind: 'kubefile' | 'sealos'; readonly created: string },
): MergedImage {
  const [first] = images
  if (first === undefined) throw new ToolError('USAGE', 'nothing to merge', { status: 2 })
  checkPlatforms(first, images)
  const { os, architecture, variant } = first.config
  const base = layersOf(first)
  const parts = images.map((image, index) => {
    const layers = layersOf(image)
    return { image, layers, shared: index === 0 ? 0 : sharedCount(base, layers) }
  })
  const layers = parts.flatMap(part => part.layers.slice(part.shared))
  return {
    config: {
      created,
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: runtimeOf(images),
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffID }) => diffID) },
      history: parts.flatMap(({ image, shared }) => historyOf(image, shared)),
    },
    annotations: kind === 'kubefile' ? { [EXTENSION]: JSON.stringify(mergedExtension(images)) } : {},
    layers: layers.map(({ blob }) => blob),
  }
}

function checkPlatforms(first: LayeredImage, images: readonly LayeredImage[]): void {
  const text = ({ config }: LayeredImage): string =>
    [config.os, config.architecture, config.variant].filter(part => typeof part === 'string').join('/')
  const other = images.find(image => text(image) !== text(first))
  if (other === undefined) return
  const pair = `${first.name} is for ${text(first)}, ${other.name} for ${text(other)}`
  throw new ToolError('PLATFORM_MISMATCH', `cannot merge: ${pair}`)
}

function layersOf({ name, config, layers }: LayeredImage): readonly Layer[] {
  const ids = isObject(config.rootfs) && Array.isArray(config.rootfs.diff_ids) ? config.rootfs.diff_ids : []
  if (ids.length !== layers.length)
    throw new ToolError('LAYERS_MISSING', `${name}: its config and its manifest have other layers`)
  return layers.map((blob, index) => ({ diffID: String(ids[index]), blob }))
}

/** How many layers two images have in common, from the bottom up. */
function sharedCount(base: readonly Layer[], other: readonly Layer[]): number {
  let count = 0
  while (count < other.length && other[count]?.diffID === base[count]?.diffID) count++
  return count
}

/** The history of an image without the entries of its lowest layers, and without those before them. */
function historyOf({ config, layers }: LayeredImage, shared: number): readonly HistoryEntry[] {
  const own = Array.isArray(config.history) ? config.history.filter(isObject) : []
  const known = own.filter(entry => entry.empty_layer !== true).length
  const missing = Math.max(0, layers.length - known)
  const added = Array.from({ length: missing }, () => ({ comment: 'layer of a merged image' }))
  const all: readonly HistoryEntry[] = [...own, ...added]
  let left = shared
  return all.filter(entry => {
    if (left === 0) return true
    if (entry.empty_layer !== true) left--
    return false
  })
}

function runtimeOf(images: readonly LayeredImage[]): JsonObject {
  const mounts = images.map(({ config }) => mountOf(config))
  const labels: Record<string, string> = Object.assign({}, ...mounts.map(mount => mount.labels))
  if (mounts.some(({ type }) => type === 'rootfs')) labels[SEALOS_TYPE] = 'rootfs'
  const env = new Map(
    mounts.flatMap(mount => mount.env.map(entry => [entry.split('=', 1)[0], entry] as const)),
  )
  const entrypoint = mounts.flatMap(mount => mount.entrypoint)
  const cmd = mounts.flatMap(mount => mount.cmd)
  return {
    ...(env.size > 0 && { Env: [...env.values()] }),
    ...(entrypoint.length > 0 && { Entrypoint: entrypoint }),
    ...(cmd.length > 0 && { Cmd: cmd }),
    ...(Object.keys(labels).length > 0 && { Labels: labels }),
  }
}

function mergedExtension(images: readonly LayeredImage[]): JsonObject {
  const all = images.map(({ annotations }) => extensionOf(annotations))
  const launches = all.map(({ launch }) => (isObject(launch) ? launch : {}))
  const applications = new Map(
    all.flatMap(({ applications: list }) => objects(list).map(app => [app.name, app])),
  )
  const cmds = launches.flatMap(({ cmds: list }) => (Array.isArray(list) ? list : []))
  const names = launches.flatMap(({ app_names: list }) => (Array.isArray(list) ? list : []))
  const isCluster = images.some(image => typeOf('kubefile', image) === SEALER_TYPES[0])
  const env: object = Object.assign({}, ...all.map(one => (isObject(one.env) ? one.env : {})))
  return {
    ...all[0],
    type: isCluster ? SEALER_TYPES[0] : SEALER_TYPES[1],
    ...(applications.size > 0 && { applications: [...applications.values()] }),
    ...(Object.keys(env).length > 0 && { env }),
    launch: { ...(cmds.length > 0 && { cmds }), ...(names.length > 0 && { app_names: [...new Set(names)] }) },
  }
}

function objects(list: unknown): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isObject) : []
}
