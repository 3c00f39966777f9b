import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, FailedRecord, ReferenceRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import type { FoundImage } from './found.js'
import type { RegistryLogin } from './image-list.js'
import type { ScanResult } from './scan.js'

export interface ReferencesOptions {
  /** The name of the program, for the `failed` records. */
  readonly tool: string
  readonly warn: (message: string, code?: string) => void
  /** The platform in every record: `os/architecture[/variant]`. */
  readonly platform?: string | undefined
  /** Is called with the credentials that lists of images contain. */
  readonly onLogin: (login: RegistryLogin) => void
}

/**
 * Yields a `reference` record for each image that was found, the first time that it is named, with `file`, `line`,
 * `foundIn` and, where a chart was not rendered, `guess: true`. Two spellings of one name, such as `nginx` and
 * `docker.io/library/nginx:latest`, are one image.
 *
 * A file that cannot be read gives a `failed` record, and so does a container whose image is no reference. Other fields
 * called `image` may hold anything, so there is only a warning if one is no reference.
 *
 * ```ts
 * for await (const record of imageReferences(scan('manifests'), { tool, warn, onLogin })) console.log(record.reference)
 * ```
 *
 * Memory: the full names of all images.
 */
export async function* imageReferences(
  results: AsyncIterable<ScanResult>,
  options: ReferencesOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const seen = new Set<string>()
  for await (const result of results) {
    if (result.type === 'login') options.onLogin(result.login)
    else if (result.type === 'failure') yield failed(result.error, { file: result.file }, options)
    else {
      const record = toRecord(result.image, seen, options)
      if (record !== undefined) yield record
    }
  }
}

const MUST_BE_IMAGES: ReadonlySet<FoundImage['foundIn']> = new Set(['container', 'list'])

function toRecord(image: FoundImage, seen: Set<string>, options: ReferencesOptions): AnyRecord | undefined {
  const { platform, warn } = options
  const name = fullName(image.reference)
  if (name instanceof ToolError) {
    const place = image.line === undefined ? image.file : `${image.file}:${image.line}`
    const error = new ToolError(name.code, `${place}: ${name.message}`, { cause: name })
    if (MUST_BE_IMAGES.has(image.foundIn)) return failed(error, { ...image }, options)
    warn(error.message, error.code)
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

function fullName(reference: string): string | ToolError {
  try {
    return formatReference(withDefaultTag(parseNormalized(reference)))
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}

function failed(
  { code, message }: ToolError,
  item: Readonly<Record<string, unknown>>,
  { tool }: ReferencesOptions,
): FailedRecord {
  return { type: 'failed', tool, code, message, item }
}
