/**
 * Finds the images that a file or a folder names.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises'
import { ToolError } from '@pipelayer/errors'
import { chartFindings } from './charts-on-disk.js'
import { type Source, sourcesOf } from './files.js'
import type { FoundImage } from './found.js'
import { authorizedList, imageListImages, type RegistryLogin } from './image-list.js'
import { workloadImages } from './manifest.js'
import { sealerImages, unquoted } from './sealer-lines.js'
import { templateImages } from './template-lines.js'
import { readText } from './text-file.js'

export interface ScanOptions {
  /** Read manifests line by line as sealer does, and JSON not at all. */
  readonly isSealer?: boolean
  /** The helm program; without it the images of charts are guessed. */
  readonly helm?: string | undefined
  /** Read a folder as a root filesystem, also if nothing in it shows that it is one. */
  readonly isRootfs?: boolean
  readonly signal?: AbortSignal
}

/**
 * `failure`: one file could not be read; the other files are read all the same. `warning`: images of a chart may be
 * missing.
 */
export type ScanResult =
  | { readonly type: 'image'; readonly image: FoundImage }
  | { readonly type: 'login'; readonly login: RegistryLogin }
  | { readonly type: 'failure'; readonly file: string; readonly error: ToolError }
  | { readonly type: 'warning'; readonly code: string; readonly message: string }

/**
 * The images that the files below `file` name, file by file, in the order of the text.
 *
 * A file that cannot be read is one `failure`: `YAML_INVALID`, `YAML_TOO_LARGE`, `IMAGE_LIST_INVALID`, `CHART_INVALID`,
 * `FILE_TOO_LARGE`, `FILE_INVALID` or the system's code.
 *
 * ```ts
 * for await (const found of scan('manifests')) if (found.type === 'image') console.log(found.image.reference)
 * ```
 *
 * @throws ToolError the system's error for `file` itself
 */
export async function* scan(file: string, options: ScanOptions = {}): AsyncGenerator<ScanResult, void, void> {
  for (const source of sourcesOf(file, options)) {
    // Files are read synchronously, so signals are only handled between files.
    await setImmediate()
    options.signal?.throwIfAborted()
    try {
      yield* scanSource(source, options)
    } catch (error) {
      if (!(error instanceof ToolError) || options.signal?.aborted) throw error
      yield { type: 'failure', file: source.file, error }
    }
  }
}

/**
 * The images of a manifest's text. If a text with `{{` is no YAML, it is taken as a template, whose images are guesses;
 * images that hold an action are left out in any case.
 */
export function textImages(
  text: string,
  file: string,
  options: Pick<ScanOptions, 'isSealer'> = {},
): readonly FoundImage[] {
  if (options.isSealer) return [...sealerImages(text, file)].map(unquoted)
  try {
    return [...workloadImages(text, file)].filter(({ reference }) => !reference.includes('{{'))
  } catch (error) {
    const isTemplate = error instanceof ToolError && error.code === 'YAML_INVALID' && text.includes('{{')
    if (isTemplate) return [...templateImages(text, file)]
    throw error
  }
}

async function* scanSource(
  { kind, file }: Source,
  options: ScanOptions,
): AsyncGenerator<ScanResult, void, void> {
  if (kind === 'chart' || kind === 'chart-archive') {
    const { found, warnings } = await chartFindings(kind, file, options)
    for (const warning of warnings) yield { type: 'warning', ...warning }
    yield* each(found)
  } else if (kind === 'authorized-list') {
    const { images, logins } = authorizedList(readText(file), file)
    for (const login of logins) yield { type: 'login', login }
    yield* each(images)
  } else if (kind === 'list') yield* each(imageListImages(readText(file), file))
  else if (!options.isSealer || !/\.json$/i.test(file)) yield* each(textImages(readText(file), file, options))
}

function* each(images: Iterable<FoundImage>): Generator<ScanResult, void, void> {
  for (const image of images) yield { type: 'image', image }
}
