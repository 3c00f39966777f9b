/**
 * img-edit: changes the images of a stream.
 *
 * @module
 */
import {
  type AppendedLayer,
  appendedLayers,
  type EditContext,
  editImages,
  type ImageEdits,
} from '@pipelayer/image-edits'
import type { AnyRecord } from '@pipelayer/records'

export interface ImgEditOptions extends Omit<ImageEdits, 'append'>, EditContext {
  /** Directories, tars, or files of records; undermost first. */
  readonly append: readonly string[]
  /** Seconds since 1970: later times of files in appended layers become this one. */
  readonly sourceDateEpoch?: number
}

/** Edits images: see {@link editImages}. @throws ToolError those of `editImages` and `appendedLayers` */
export async function* imgEdit(
  records: AsyncIterable<AnyRecord>,
  options: ImgEditOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const append: AppendedLayer[] = []
  for (const file of options.append)
    append.push(...(await appendedLayers(file, { ...options, createdBy: 'img-edit' })))
  yield* editImages(records, { ...options, append }, options)
}
