import type { AnyRecord } from '@pipelayer/records'
import { EditedStream } from './edited-stream.js'
import type { EditContext, ImageEdits } from './options.js'

/**
 * Edits each image of a stream. An image that has a manifest comes out whole: its new config, its new manifest and the
 * index that lists it lie in the store, and their records follow its layers. An image that is still to be described,
 * such as that of a build, comes out with an edited config document. Records of other types pass.
 *
 * Without any edit all records pass as they are. What an edit does not change stays byte for byte. Attestations of an index stay as they are; referrers of an image
 * that changed are left out, with a warning. The bytes of layers are never read.
 *
 * @throws ToolError `CONFIG_MISSING`, `MANIFEST_MISSING` (a rebase of an image without a manifest), `LAYERS_MISSING`,
 *   `DIFF_ID_MISMATCH`, `BASE_MISMATCH`, `CONFIG_INVALID`, `MEDIA_TYPE_UNSUPPORTED` (a zstd layer in an image of
 *   Docker's media types), `BLOB_UNKNOWN`; those of the places of a rebase
 */
export async function* editImages(
  records: AsyncIterable<AnyRecord>,
  edits: ImageEdits,
  context: EditContext,
): AsyncGenerator<AnyRecord, void, void> {
  if (isNothing(edits)) {
    yield* records
    return
  }
  const stream = new EditedStream(edits, context)
  for await (const record of records) yield* await stream.take(record)
  yield* stream.end()
}

function isNothing({
  config,
  annotations,
  author,
  created,
  rebase,
  stripHistory,
  append,
}: ImageEdits): boolean {
  const { cmd, entrypoint, unset, ...others } = config
  const values = [cmd, entrypoint, author, created, rebase]
  if (stripHistory || append.length > 0 || values.some(value => value !== undefined)) return false
  const lists = [...Object.values(others), ...Object.values(unset ?? {}), Object.keys(annotations)]
  return lists.every(list => list === undefined || (Array.isArray(list) && list.length === 0))
}
