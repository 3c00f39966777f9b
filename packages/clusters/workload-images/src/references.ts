import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, FailedRecord, ReferenceRecord } from '@pipelayer/records'
import type { FoundImage } from './found.js'
import { fullName } from './full-name.js'
import type { RegistryLogin } from './image-list.js'
import type { ScanResult } from './scan.js'

export interface ReferencesOptions {
  /** The name of the program, for the `failed` records. */
  readonly tool: string
  readonly warn: (message: string, code?: string) => void
  /** The platform in every record: `os/architecture[/variant]`. */
  readonly platform?: string | undefined
  /** Add to each record by which rule the image was found. */
  readonly explains?: boolean
  /** Is called with the credentials that lists of images contain. */
  readonly onLogin: (login: RegistryLogin) => void
}

/**
 * Yields a `reference` record for each image that was found, the first time that it is named, with `file`, `line`,
 * `foundIn` and, where nothing says for certain that it is an image, `guess: true`. Two spellings of one name, such as
 * `nginx` and `docker.io/library/nginx:latest`, are one image, and a certain finding of it goes before a guess.
 *
 * A file that cannot be read gives a `failed` record, and so does a container whose image is no reference. Other fields
 * called `image` may hold anything, so there is only a warning if one is no reference.
 *
 * ```ts
 * for await (const record of imageReferences(scan('manifests'), { tool, warn, onLogin })) console.log(record.reference)
 * ```
 *
 * Memory: the full names of all images, and the records behind the first guess.
 */
export async function* imageReferences(
  results: AsyncIterable<ScanResult>,
  options: ReferencesOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const held = new HeldRecords()
  for await (const result of results) {
    if (result.type === 'login') options.onLogin(result.login)
    else if (result.type === 'warning') options.warn(result.message, result.code)
    else if (result.type === 'failure') yield* held.add(failed(result.error, { file: result.file }, options))
    else yield* toRecords(result.image, held, options)
  }
  yield* held.rest()
}

/** The place of a record; empty when a certain finding has replaced a guess. */
interface Slot {
  record: AnyRecord | undefined
}

/** Records in their order. From the first guess on they are held back, since a certain finding may take its place. */
class HeldRecords {
  /** The images that were named; `undefined` for a certain one, which is not replaced. */
  readonly #seen = new Map<string, Slot | undefined>()
  readonly #slots: Slot[] = [];

  *add(record: AnyRecord): Generator<AnyRecord, void, void> {
    if (this.#slots.length === 0) yield record
    else this.#slots.push({ record })
  }

  *addImage(name: string, record: ReferenceRecord): Generator<AnyRecord, void, void> {
    const guess = this.#seen.get(name)
    if (this.#seen.has(name) && (record.guess || guess === undefined)) return
    if (guess !== undefined) guess.record = undefined
    const slot = record.guess ? { record } : undefined
    this.#seen.set(name, slot)
    if (slot === undefined) yield* this.add(record)
    else this.#slots.push(slot)
  }

  *rest(): Generator<AnyRecord, void, void> {
    for (const { record } of this.#slots) if (record !== undefined) yield record
  }
}

const MUST_BE_IMAGES: ReadonlySet<FoundImage['foundIn']> = new Set(['container', 'list'])

function* toRecords(
  { why, ...image }: FoundImage,
  held: HeldRecords,
  options: ReferencesOptions,
): Generator<AnyRecord, void, void> {
  const { platform, warn, explains } = options
  const name = fullName(image.reference)
  if (name instanceof ToolError) {
    const place = image.line === undefined ? image.file : `${image.file}:${image.line}`
    const error = new ToolError(name.code, `${place}: ${name.message}`, { cause: name })
    if (MUST_BE_IMAGES.has(image.foundIn)) yield* held.add(failed(error, { ...image }, options))
    else warn(error.message, error.code)
    return
  }
  yield* held.addImage(name, {
    type: 'reference',
    ...image,
    ...(platform !== undefined && { platform }),
    ...(explains && why !== undefined && { why }),
  })
}

function failed(
  { code, message }: ToolError,
  item: Readonly<Record<string, unknown>>,
  { tool }: ReferencesOptions,
): FailedRecord {
  return { type: 'failed', tool, code, message, item }
}
