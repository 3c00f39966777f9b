import { type Digest, isWellFormedDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Platform } from './descriptor.js'
import { isObject, type JsonObject, parseObject } from './json.js'

/** One step of an image's history, oldest first. */
export interface HistoryEntry {
  readonly created?: string | null
  readonly created_by?: string | null
  readonly author?: string | null
  readonly comment?: string | null
  readonly empty_layer?: boolean | null
  readonly [field: string]: unknown
}

/**
 * The config of an image. Fields that we do not know are kept: Docker and others add their own.
 *
 * Spec: image-spec v1.1, config.md.
 */
export interface ImageConfig {
  readonly os?: string
  readonly architecture?: string
  readonly variant?: string
  readonly created?: string | null
  readonly config?: JsonObject | null
  readonly rootfs: {
    readonly type: 'layers'
    readonly diff_ids: readonly Digest[]
    readonly [field: string]: unknown
  }
  readonly history?: readonly HistoryEntry[] | null
  readonly [field: string]: unknown
}

/**
 * Reads the config of an image. The image ID is the digest of its bytes, so store those bytes and not this object,
 * written anew.
 *
 * @throws ToolError `CONFIG_INVALID`, `DOCUMENT_TOO_LARGE`
 */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  return checkConfig(parseObject(bytes, ['CONFIG_INVALID', 'config']))
}

/** Checks a config that was read already. Throws as {@link parseConfig} does. */
export function checkConfig(document: JsonObject): ImageConfig {
  for (const field of ['os', 'architecture', 'variant', 'created']) {
    const value = document[field] ?? ''
    if (typeof value !== 'string') throw invalid(`has a ${field} that is not a string`)
  }
  const { rootfs, history, config } = document
  if (!isObject(config ?? {})) throw invalid('has a config that is not an object')
  if (!isObject(rootfs) || rootfs.type !== 'layers') throw invalid('has no rootfs of type "layers"')
  const diffIDs = rootfs.diff_ids ?? []
  if (!Array.isArray(diffIDs) || !diffIDs.every(id => typeof id === 'string' && isWellFormedDigest(id))) {
    throw invalid('has diff_ids that are not a list of digests')
  }
  if (!Array.isArray(history ?? []) || !((history ?? []) as unknown[]).every(isObject)) {
    throw invalid('has a history that is not a list of objects')
  }
  const checked =
    rootfs.diff_ids === diffIDs ? document : { ...document, rootfs: { ...rootfs, diff_ids: [] } }
  return checked as ImageConfig
}

/** The platform that a config declares; undefined when it names none. */
export function platformOf(config: ImageConfig): Platform | undefined {
  const { os, architecture, variant } = config
  if (!os || !architecture) return undefined
  const version = config['os.version']
  return {
    os,
    architecture,
    ...(variant && { variant }),
    ...(typeof version === 'string' && version !== '' && { 'os.version': version }),
  }
}

function invalid(why: string): ToolError {
  return new ToolError('CONFIG_INVALID', `config ${why}`)
}
