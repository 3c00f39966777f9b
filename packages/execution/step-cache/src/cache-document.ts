/**
 * A build cache as an OCI artifact. The layers of its manifest are those of the steps, and its config says to which
 * step each layer belongs.
 *
 * ```
 * {"version": 1, "steps": [{
 *   "key":      the key of the step's inputs, which is the same on every machine,
 *   "on":       the chainID of the layers below it, empty if there are none,
 *   "layer":    the digest of its blob, absent if the step changed nothing,
 *   "diffID", "engine", "encoding", "created": as layer-pack made it
 * }]}
 * ```
 *
 * @module
 */

import { type Digest, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  isObject,
  type Manifest,
  MEDIA_TYPES,
  parseLayerType,
  parseObject,
} from '@pipelayer/oci'
import { packedStep } from './packed-step.js'
import type { EncodedLayer } from './usual-layer.js'

export const CACHE_TYPE = 'application/vnd.pipelayer.build.cache.v1'
export const CACHE_CONFIG_TYPE = 'application/vnd.pipelayer.build.cache.config.v1+json'
const VERSION = 1

/** A step of a cache. */
export interface SharedStep extends EncodedLayer {
  readonly key: Digest
  readonly on: Digest
}

/** Makes the config of a cache. */
export function cacheConfig(steps: readonly SharedStep[]): Buffer {
  const rows = steps.map(({ key, on, encoding, packed: { blob, diffID, engine, created } }) => ({
    key,
    on,
    encoding,
    created,
    ...(blob === undefined ? {} : { layer: blob.digest, diffID }),
    ...(engine === undefined ? {} : { engine }),
  }))
  return Buffer.from(JSON.stringify({ version: VERSION, steps: rows }))
}

export function cacheManifest(config: Descriptor, steps: readonly SharedStep[]): Buffer {
  const blobs = new Map(steps.flatMap(({ packed: { blob } }) => (blob ? [[blob.digest, blob]] : [])))
  const layers = [...blobs.values()]
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      artifactType: CACHE_TYPE,
      config,
      layers,
    }),
  )
}

/**
 * Reads the config of a cache. The config only names a blob; its media type and size come from the manifest.
 *
 * @throws {ToolError} `CACHE_INVALID`
 */
export function parseCache(manifest: Manifest, config: Uint8Array): SharedStep[] {
  const { version, steps } = parseObject(config, ['CACHE_INVALID', 'the config of the cache'])
  if (version !== VERSION || !Array.isArray(steps))
    throw invalid(`has version ${JSON.stringify(version)}, expected ${VERSION}`)
  const layers = new Map(manifest.layers.map(layer => [layer.digest, layer]))
  return steps.map((row: unknown, index) => sharedStep(row, index, layers))
}

function sharedStep(row: unknown, index: number, layers: ReadonlyMap<string, Descriptor>): SharedStep {
  if (!isObject(row)) throw invalid(`has a step ${index} that is no object`)
  const { key, on, encoding, layer, created, diffID, engine } = row
  const found = typeof layer === 'string' ? layers.get(layer) : undefined
  if (
    layer !== undefined &&
    (found === undefined || parseLayerType(found.mediaType)?.compression === undefined)
  )
    throw invalid(`has a step ${index} whose layer is none of its manifest`)
  const fields =
    found === undefined
      ? { empty: true }
      : { mediaType: found.mediaType, digest: found.digest, size: found.size, diffID, engine }
  const packed = packedStep({ created, ...fields })
  const isKnown = isDigest(key) && (on === '' || isDigest(on)) && isEncoding(encoding)
  if (packed === undefined || !isKnown)
    throw invalid(`has a step ${index} with a field that is missing or wrong`)
  return { key, on, encoding, packed }
}

function isEncoding(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 200 && /^v\d+\.[a-z0-9.+_-]+$/.test(value)
}

function invalid(why: string): ToolError {
  return new ToolError('CACHE_INVALID', `the config of the cache ${why}`)
}
