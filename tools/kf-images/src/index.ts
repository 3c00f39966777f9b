/**
 * kf-images: the container images that a cluster image has to carry.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { formatPlatform, parsePlatform } from '@pipelayer/oci'
import type { AnyRecord, FailedRecord, ReferenceRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import {
  type FoundImage,
  type RegistryLogin,
  type ScanResult,
  scan,
  textImages,
} from '@pipelayer/workload-images'
import { writeAuthFile } from './auth-file.js'
import { findHelm } from './find-helm.js'

export interface KfImagesOptions {
  /** What is read for the path `-`: one manifest. */
  readonly stdin: Readable
  readonly env: Readonly<Record<string, string | undefined>>
  readonly warn: (message: string, code?: string) => void
  readonly signal?: AbortSignal
  /** Read manifests by sealer's line rule. */
  readonly isSealer?: boolean
  /** The helm program, or `none`; that of `$PATH` unless said. */
  readonly helm?: string | undefined
  /** Goes into every record: `os/architecture[/variant]`. */
  readonly platform?: string | undefined
  /** Where the credentials of lists go. */
  readonly authFile?: string | undefined
}

const TOOL = 'kf-images'
const STDIN_LIMIT = 16 * 1024 * 1024

/**
 * Yields a `reference` record for each image, the first time that it is named, with `file`, `line`, `foundIn` and, where
 * a chart was not rendered, `guess: true`. Two spellings of one name, such as `nginx` and `docker.io/library/nginx:latest`, are
 * one image.
 *
 * A file that cannot be read, and a container whose image is no reference, is a `failed` record; other fields called `image` may
 * hold anything, and what is no reference there is only warned of.
 *
 * @throws ToolError `PLATFORM_INVALID`; what the system says of a path
 */
export async function* kfImages(
  paths: readonly string[],
  options: KfImagesOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const platform = platformOf(options.platform)
  const seen = new Set<string>()
  const logins: RegistryLogin[] = []
  for await (const result of results(paths, options)) {
    if (result.type === 'login') logins.push(result.login)
    else if (result.type === 'failure') yield failed(result.error, { file: result.file })
    else {
      const record = toRecord(result.image, { platform, seen, options })
      if (record !== undefined) yield record
    }
  }
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

interface Context {
  readonly platform: string | undefined
  /** Full names. */
  readonly seen: Set<string>
  readonly options: KfImagesOptions
}

function toRecord(image: FoundImage, { platform, seen, options }: Context): AnyRecord | undefined {
  const name = fullName(image.reference)
  if (name instanceof ToolError) {
    const place = image.line === undefined ? image.file : `${image.file}:${image.line}`
    const error = new ToolError(name.code, `${place}: ${name.message}`, { cause: name })
    if (MUST_BE_IMAGES.has(image.foundIn)) return failed(error, { ...image })
    options.warn(error.message, error.code)
    return undefined
  }
  if (seen.has(name)) return undefined
  seen.add(name)
  return {
    type: 'reference',
    ...image,
    ...(platform !== undefined && { platform }),
  } satisfies ReferenceRecord
}

const MUST_BE_IMAGES: ReadonlySet<FoundImage['foundIn']> = new Set(['container', 'list'])

function fullName(reference: string): string | ToolError {
  try {
    return formatReference(withDefaultTag(parseNormalized(reference)))
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}

function failed({ code, message }: ToolError, item: Readonly<Record<string, unknown>>): FailedRecord {
  return { type: 'failed', tool: TOOL, code, message, item }
}

function keepLogins(logins: readonly RegistryLogin[], { authFile, warn }: KfImagesOptions): void {
  if (authFile !== undefined) writeAuthFile(authFile, logins)
  else if (logins.length > 0)
    warn(`imageListWithAuth.yaml has credentials for ${logins.length} registries: --write-auth keeps them`)
}
