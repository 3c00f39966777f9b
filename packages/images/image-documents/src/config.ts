import { isDeepStrictEqual } from 'node:util'
import { ToolError } from '@pipelayer/errors'
import type { Layout } from '@pipelayer/layout'
import {
  checkConfig,
  type ImageConfig,
  isObject,
  type JsonObject,
  type Platform,
  validateConfig,
} from '@pipelayer/oci'
import type { ConfigRecord, LayerRecord } from '@pipelayer/records'
import { readDocument } from './documents.js'
import { type ConfigEdits, withEdits } from './edits.js'
import { isPacked, type PackedLayer, pairHistory } from './history.js'
import type { ImageParts } from './image-parts.js'

export interface ConfigOptions {
  readonly edits: ConfigEdits
  readonly platform: Platform | undefined
  /** The platform of an image that has no config yet. */
  readonly defaultPlatform: Platform
  /** RFC 3339, the time of images and steps that have no time of their own. */
  readonly created: string
  readonly author: string | undefined
  /** Make a config if none came, even if the layers come from an image that must have had one. */
  readonly newConfig: boolean
  /** In a new config: what made a layer whose record does not say it. */
  readonly unknownStep?: string | undefined
}

/** The config that an image gets. */
export interface FinishedConfig {
  readonly document: ImageConfig
  /** The bytes of an existing blob with the same content; undefined if a new one has to be written. */
  readonly kept: Buffer | undefined
  /** Base first. */
  readonly layers: readonly PackedLayer[]
}

/**
 * Finds the config of an image. Its blob is kept byte for byte if document, blob and layers agree, and written anew
 * otherwise.
 *
 * @throws {ToolError} `LAYERS_MISSING`, `CONFIG_MISSING`, `CONFIG_INVALID`, `DIFFID_MISSING`
 */
export function finishConfig(parts: ImageParts, options: ConfigOptions, store: Layout): FinishedConfig {
  const { config: record, layers } = parts
  if (record === undefined) return build(newDocument(parts, options), layers, options)
  const bytes =
    record.digest === undefined ? undefined : readDocument({ ...record, digest: record.digest }, store)
  const edited = withPlatform(withEdits(record.config, options.edits), options)
  const agrees = bytes !== undefined && isDeepStrictEqual(parseJson(bytes), edited)
  if (agrees && fits(record, layers))
    return { document: checkConfig(edited), kept: bytes, layers: layers.filter(isPacked) }
  return build(edited, layers, options)
}

function build(document: JsonObject, layers: readonly LayerRecord[], options: ConfigOptions): FinishedConfig {
  const aligned = pairHistory(historyOf(document), layers)
  const config = {
    ...document,
    ...(options.author === undefined ? {} : { author: options.author }),
    rootfs: { type: 'layers', diff_ids: aligned.layers.map(diffIDOf) },
    ...(hasHistory(document) ? { history: aligned.history } : {}),
  }
  // A config that another program wrote is passed on as it is, but one that we write must fulfil the specification.
  validateConfig(config)
  return { document: checkConfig(config), kept: undefined, layers: aligned.layers }
}

/**
 * Whether a history fits the layers. The history of an existing config may be too short; that is accepted while nothing
 * has changed.
 */
function fits({ config }: ConfigRecord, layers: readonly LayerRecord[]): boolean {
  const rootfs = isObject(config.rootfs) ? config.rootfs : {}
  // The config of an artifact names no layers, so there is nothing to compare.
  if (!Array.isArray(rootfs.diff_ids)) return true
  const diffIDs = layers.filter(isPacked).map(layer => layer.diffID)
  if (diffIDs.length < rootfs.diff_ids.length)
    throw new ToolError(
      'LAYERS_MISSING',
      `cannot make a manifest: the config has ${rootfs.diff_ids.length} layers, got ${diffIDs.length}; a record was lost on the way`,
    )
  return isDeepStrictEqual(diffIDs, rootfs.diff_ids)
}

function newDocument(parts: ImageParts, options: ConfigOptions): JsonObject {
  // Layers of a build or of a pulled image had a config in their stream. If it is missing, the new image would lose its
  // command, its user and its history.
  const orphan = parts.layers.find(layer => layer.cacheKey !== undefined || layer.engine === undefined)
  if (orphan !== undefined && !options.newConfig)
    throw new ToolError(
      'CONFIG_MISSING',
      `cannot make a manifest: no config came for layer ${orphan.digest ?? '(empty)'}; it was lost on the way (--new-config makes one)`,
    )
  const created = newest(parts.layers) ?? options.created
  const { os, architecture, variant } = options.platform ?? options.defaultPlatform
  const base: JsonObject = {
    created,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os,
    config: {},
  }
  return {
    ...withEdits(base, options.edits),
    rootfs: {},
    history: parts.layers.map(layer => newEntry(layer, { created, createdBy: options.unknownStep })),
  }
}

function newEntry(
  layer: LayerRecord,
  defaults: { readonly created: string; readonly createdBy: string | undefined },
): JsonObject {
  const createdBy = layer.createdBy ?? defaults.createdBy
  return {
    created: layer.created ?? defaults.created,
    ...(createdBy === undefined ? {} : { created_by: createdBy }),
  }
}

function newest(layers: readonly LayerRecord[]): string | undefined {
  const times = layers.flatMap(layer => (layer.created === undefined ? [] : [layer.created]))
  return times.sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1)
}

function withPlatform(document: JsonObject, { platform }: ConfigOptions): JsonObject {
  if (platform === undefined) return document
  const { variant: _old, ...rest } = document
  const { os, architecture, variant } = platform
  return { ...rest, os, architecture, ...(variant === undefined ? {} : { variant }) }
}

function diffIDOf(layer: PackedLayer): string {
  if (layer.diffID !== undefined) return layer.diffID
  throw new ToolError('DIFFID_MISSING', `cannot write a config: layer ${layer.digest} has no diffID`)
}

function historyOf(document: JsonObject): JsonObject[] {
  return Array.isArray(document.history) ? document.history.filter(isObject) : []
}

function hasHistory(document: JsonObject): boolean {
  return Array.isArray(document.history)
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // The config of an artifact may be no JSON, and then agrees with no document.
    return undefined
  }
}
