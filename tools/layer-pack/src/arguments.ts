/**
 * Reads the command line: what is packed, and how.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { type Engine, parseCompression } from '@pipelayer/compress'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { creationTime } from '@pipelayer/oci'
import { defaultStorePath, Store } from '@pipelayer/store'
import type { LayerPackOptions, Origin } from './index.js'

export interface PackArguments {
  readonly dir: string | undefined
  readonly tar: string | undefined
  readonly compress: string
  readonly engine: string | undefined
  readonly workers: number | undefined
  readonly filtered: boolean
  readonly 'source-root': readonly string[]
  readonly store: string | undefined
  readonly 'media-types': string | undefined
  readonly 'mtime-ns': boolean
  readonly 'created-by': string | undefined
  readonly created: string | undefined
}

/** The surroundings from which options get default values. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  now(): Date
}

/** @throws ToolError `USAGE`, `COMPRESSION_UNKNOWN`, `TIME_INVALID`, status 2 */
export function optionsOf(given: PackArguments, { env, now }: Surroundings): LayerPackOptions & Origin {
  if (given.dir !== undefined && given.tar !== undefined)
    throw usage('--dir and --tar cannot be packed at once')
  const engine = given.engine as Engine | undefined
  const compress = { ...parseCompression(given.compress, engine), engine }
  const family = given['media-types'] === 'docker' ? 'docker' : 'oci'
  if (family === 'docker' && compress.format === 'zstd')
    throw usage('Docker has no media type for zstd layers')
  const time = creationTime({ sourceDateEpoch: env.SOURCE_DATE_EPOCH, created: given.created, now: now() })
  return {
    store: Store.open(given.store ?? defaultStorePath(env)),
    compress,
    family,
    filtered: given.filtered,
    ...(given['source-root'].length === 0 ? {} : { sourceRoots: given['source-root'].map(realFolder) }),
    mtimeNs: given['mtime-ns'],
    created: time.created,
    ...(time.epoch === undefined ? {} : { sourceDateEpoch: time.epoch }),
    ...(given.workers === undefined ? {} : { workers: given.workers }),
    ...(given['created-by'] === undefined ? {} : { createdBy: given['created-by'] }),
  }
}

/** The bytes of `file`, of stdin for `-`. */
export async function* bytesOf(file: string, stdin: Readable): AsyncGenerator<Buffer, void, void> {
  try {
    yield* file === '-' ? stdin : fs.createReadStream(path.resolve(file), { highWaterMark: 1 << 18 })
  } catch (error) {
    throw systemError(error, `read "${file}"`)
  }
}

function realFolder(folder: string): string {
  return attempt(`find the folder "${folder}" of --source-root`, () => fs.realpathSync(folder))
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}
