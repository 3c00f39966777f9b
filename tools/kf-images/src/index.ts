/**
 * kf-images: lists the container images that a cluster image has to carry.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { formatPlatform, parsePlatform } from '@pipelayer/oci'
import type { AnyRecord } from '@pipelayer/records'
import {
  findHelm,
  imageReferences,
  type RegistryLogin,
  type ScanResult,
  scan,
  textImages,
} from '@pipelayer/workload-images'
import { writeAuthFile } from './auth-file.js'

export interface KfImagesOptions {
  /** The input that is read for the path `-`: one manifest. */
  readonly stdin: Readable
  readonly env: Readonly<Record<string, string | undefined>>
  readonly warn: (message: string, code?: string) => void
  readonly signal?: AbortSignal
  /** Read manifests by sealer's line rule. */
  readonly isSealer?: boolean
  /** Add to each record `why` the image was found. */
  readonly explains?: boolean
  /** The helm program, or `none`; the default is the one in `$PATH`. */
  readonly helm?: string | undefined
  /** The platform in every record: `os/architecture[/variant]`. */
  readonly platform?: string | undefined
  /** The file that gets the credentials of image lists. */
  readonly authFile?: string | undefined
}

const STDIN_LIMIT = 16 * 1024 * 1024

/**
 * Yields a `reference` record for each image that the files name: see {@link imageReferences}.
 *
 * @throws ToolError `PLATFORM_INVALID`; the system's error for a path
 */
export async function* kfImages(
  paths: readonly string[],
  options: KfImagesOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const platform = platformOf(options.platform)
  const logins: RegistryLogin[] = []
  const onLogin = (login: RegistryLogin): void => void logins.push(login)
  const { warn, explains = false } = options
  yield* imageReferences(results(paths, options), { tool: 'kf-images', warn, platform, explains, onLogin })
  keepLogins(logins, options)
}

function platformOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return formatPlatform(parsePlatform(text))
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

async function* results(
  paths: readonly string[],
  options: KfImagesOptions,
): AsyncGenerator<ScanResult, void, void> {
  const { isSealer = false, signal } = options
  const helm = findHelm(options.helm, options.env)
  for (const path of paths) {
    if (path !== '-') yield* scan(path, { isSealer, helm, ...(signal && { signal }) })
    else yield* stdinResults(options)
  }
}

async function* stdinResults({ stdin, ...options }: KfImagesOptions): AsyncGenerator<ScanResult, void, void> {
  const bytes = await readInput('-', { stdin, limit: STDIN_LIMIT })
  try {
    for (const image of textImages(bytes.toString(), '-', options)) yield { type: 'image', image }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    yield { type: 'failure', file: '-', error }
  }
}

function keepLogins(logins: readonly RegistryLogin[], { authFile, warn }: KfImagesOptions): void {
  if (authFile !== undefined) writeAuthFile(authFile, logins)
  else if (logins.length > 0)
    warn(`imageListWithAuth.yaml has credentials for ${logins.length} registries: --write-auth keeps them`)
}
