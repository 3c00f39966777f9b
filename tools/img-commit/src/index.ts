/**
 * img-commit: makes an image of what changed in a directory against another image.
 *
 * @module
 */
import { diffOverlay } from '@pipelayer/change-set'
import { type EditContext, editImages, type ImageEdits, packedLayer } from '@pipelayer/image-edits'
import { putImages } from '@pipelayer/image-streams'
import type { Platform } from '@pipelayer/oci'
import { pullImages } from '@pipelayer/pulling'
import type { AnyRecord, ChangeRecord } from '@pipelayer/records'
import { changesAgainst } from './root-changes.js'

/** Absolute paths: an overlay upper directory, with its lowers nearest first if they are known; or a whole root. */
export type ChangedFolder =
  | { readonly upper: string; readonly lowers?: readonly string[]; readonly xattrs: 'trusted' | 'user' }
  | { readonly root: string }

export interface ImgCommitOptions extends EditContext {
  /** The place of the image that the changes are laid upon. */
  readonly image: string
  /** The place of the new image. */
  readonly target: string
  readonly changed: ChangedFolder
  readonly edits: Pick<ImageEdits, 'config' | 'annotations' | 'author'>
  /** RFC 3339: the time of the new image and of its last layer. */
  readonly created: string
  /** The comment in the history. */
  readonly message?: string
  readonly platform: Platform
  /** Seconds since 1970: later times of files become this one. */
  readonly sourceDateEpoch?: number
}

const TOOL = 'img-commit'

/**
 * Pulls the image, packs the changes as a layer, and puts the image with that layer to its place. The records are those
 * of the new image.
 *
 * @throws ToolError those of `pullImages`, `diffOverlay`, `diffTrees`, `packChanges`, `editImages` and `putImages`;
 *   nothing is published then
 */
export async function* imgCommit(options: ImgCommitOptions): AsyncGenerator<AnyRecord, void, undefined> {
  yield* putImages(committed(options), { ...options.places, tool: TOOL, place: options.target })
}

async function* committed(options: ImgCommitOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const { image, platform, places, edits, created, message } = options
  const choice = { platforms: [platform] }
  const records: AnyRecord[] = []
  for await (const record of pullImages(none(), { ...places, tool: TOOL, references: [image], choice }))
    records.push(record)
  const layer = await packedLayer(await changesOf(options, records), { ...options, createdBy: TOOL })
  const { author } = edits
  const history = {
    ...layer.history,
    created,
    ...(author === undefined ? {} : { author }),
    ...(message === undefined ? {} : { comment: message }),
  }
  const append = [{ ...layer, history }]
  yield* editImages(each(records), { ...edits, created, stripHistory: false, append }, options)
}

async function changesOf(
  { changed, store, signal, onWarning }: ImgCommitOptions,
  records: readonly AnyRecord[],
): Promise<Iterable<ChangeRecord>> {
  const warn = (text: string): void => onWarning?.(text, 'LEFT_OUT')
  if ('upper' in changed) return diffOverlay(changed, { onWarning: warn })
  const open = (digest: Parameters<typeof store.openBlob>[0]) => store.openBlob(digest)
  return await changesAgainst(records, changed.root, { open, signal, onWarning: warn })
}

async function* none(): AsyncGenerator<AnyRecord, void, undefined> {}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, undefined> {
  yield* records
}
