/**
 * ovl-mount: mounts an image or directories as an overlay.
 *
 * @module
 */
import fs from 'node:fs'
import { type Caller, formOf, unmount } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, MountRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { ImageCollector, type LayeredImage } from './image-layers.js'
import { type Mounting, mountOrder, prepareMount, undoMount } from './mounting.js'
import { listMounts, recordOf, sweepMounts, unmountAll } from './mounts.js'
import type { MountJob, OvlMountOptions } from './options.js'
import { type MountPlaces, placesOf } from './places.js'
import { explainDamage, unpackLayers } from './unpack.js'

export type { MountJob, OvlMountOptions } from './options.js'

/**
 * Mounts, unmounts or lists. A mount shows the image of the stream, whose records pass, or directories; its `mount`
 * record comes last. If it fails, nothing is left of it but unpacked layers that are whole.
 *
 * @throws ToolError `NEEDS_COMMAND` for an ordinary user; those of `placesOf`, `ImageCollector`, `unpackLayers`,
 *   `prepareMount` and `mountOrder`
 */
export async function* ovlMount(
  records: AsyncIterable<AnyRecord>,
  options: OvlMountOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const { job } = options
  if (job.kind === 'list') yield* listMounts(options, job.targets)
  else if (job.kind === 'unmount') yield* unmountAll(options, job)
  else yield* mount(records, job, options)
}

async function* mount(
  records: AsyncIterable<AnyRecord>,
  job: MountJob,
  options: OvlMountOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const { caller, onWarning } = options
  if (caller.kind === 'user')
    throw new ToolError(
      'NEEDS_COMMAND',
      `an ordinary user can mount only for a command, which alone sees it: ovl-mount ... "${job.target}" -- COMMAND`,
    )
  const places = placesOf(job)
  const store = Store.open(options.store)
  const collector = new ImageCollector()
  if (places.lowers === undefined) {
    for await (const record of records) {
      collector.see(record)
      yield record
    }
  }
  const image = places.lowers === undefined ? collector.finish(store, formOf(caller)) : undefined
  if (image !== undefined) await unpackHere(store, image, options)
  sweepMounts(store.mounts(), onWarning)
  yield mountHere(store, mountingOf(places, image, options), image?.image ?? '1')
}

/** What is to be mounted, when the layers of the image are, or will be, unpacked. */
export function mountingOf(
  places: MountPlaces,
  image: LayeredImage | undefined,
  { caller, now }: Pick<OvlMountOptions, 'caller' | 'now'>,
): Mounting {
  return {
    places,
    lowers: places.lowers ?? (image?.layers ?? []).map(({ dir }) => dir).reverse(),
    reference: image?.reference,
    xattrs: xattrsOf(caller),
    created: now.toISOString(),
  }
}

async function unpackHere(store: Store, { layers }: LayeredImage, options: OvlMountOptions): Promise<void> {
  const { caller, signal, onWarning } = options
  const work = store.tempDir('mount')
  try {
    await unpackLayers(layers, work, { xattrs: xattrsOf(caller), signal, onWarning })
  } catch (error) {
    throw await explainDamage(error, layers, store)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  for (const { dir } of layers) store.touch(dir)
}

function mountHere(store: Store, mounting: Mounting, image: string): MountRecord {
  const journal = store.mounts()
  const { entry, order } = prepareMount(journal, mounting)
  let isMounted = false
  try {
    mountOrder(order)
    isMounted = true
    return recordOf(journal.keep(entry), image)
  } catch (error) {
    if (isMounted) unmount(order.target)
    undoMount(journal, entry, mounting)
    throw error
  }
}

/** The prefix of the xattrs that the kernel lets this caller use. */
export function xattrsOf(caller: Caller): 'trusted' | 'user' {
  return caller.kind === 'root' ? 'trusted' : 'user'
}
