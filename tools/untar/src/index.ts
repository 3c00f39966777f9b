/**
 * untar: unpacks layers into a root filesystem.
 *
 * @module
 */

import { fileURLToPath } from 'node:url'
import { ToolError } from '@pipelayer/errors'
import { openBlob, type TarLimits } from '@pipelayer/layer-blob'
import type { AnyRecord, IdMap, LayerRecord } from '@pipelayer/records'
import type { XattrForm } from '@pipelayer/rootfs'
import type { Store } from '@pipelayer/store'
import {
  type ApplyOptions,
  type ApplyResult,
  ReadingThread,
  RootfsStaging,
  type Selection,
} from '@pipelayer/unpacking'
import { ImageCheck } from './image-check.js'
import { type LayerSource, layerOf, type Reader, tarFile, verifyLayer } from './layer-source.js'
import { overlayTarget, plainTarget, type Target } from './target.js'

export interface UntarOptions {
  /** The directory that is made. */
  readonly target: string
  /** Files to unpack in place of the layers of records: plain or compressed tars, lowest first. */
  readonly tars?: readonly string[]
  /** Accept a directory that is not empty, and apply the layers to it in place, each after it was verified. */
  readonly into?: boolean
  /** Make a directory for each layer, in overlay form, with this prefix of xattrs. */
  readonly overlay?: XattrForm
  /** The entries of the layers to unpack; all of them unless given. */
  readonly selection?: Selection
  /**
   * What to do if a layer has a path twice: by default it is refused unless both entries are the same; with `last`, the
   * last one counts.
   */
  readonly repeated?: 'same' | 'last'
  /** The map from the ids of the image to those on disk. */
  readonly idMap?: IdMap
  /** Limits for the bytes of one layer; none unless given. */
  readonly limits?: TarLimits
  /** How many entries one layer may have; no limit unless given. */
  readonly maxEntries?: number
  /** The store in which blobs without a path are looked for. It is opened when one is needed. */
  readonly store: () => Store
  readonly onWarning?: (message: string) => void
  readonly signal?: AbortSignal
  /** Registers a function that cleans up when the process ends. */
  readonly onExit?: (clean: () => void) => () => void
  /** The file of the program for threads; without it, everything is done in this thread. */
  readonly threadProgram?: string
}

/**
 * Unpacks the layers of one image as they come, in overlay form several at a time. The result gets its name at the end
 * of the stream. All records pass. With `tars`, no image is expected in the stream.
 *
 * @throws ToolError `MANY_IMAGES`, `NO_LAYERS`, `LAYER_MISMATCH`, `DIFF_ID_MISMATCH`, `CONFIG_MISSING`, `BLOB_UNKNOWN`,
 *   `SIZE_MISMATCH`, `DIGEST_MISMATCH`; those of applyLayer and RootfsStaging. Nothing is published then; with `into`,
 *   the layers before the one that failed are in the directory.
 */
export async function* untar(
  records: AsyncIterable<AnyRecord>,
  options: UntarOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const unpacking = new Unpacking(options)
  const check = new ImageCheck(options.store)
  const { tars = [], limits = {} } = options
  try {
    for (const file of tars) await unpacking.add(tarFile(file, limits), () => {})
    for await (const record of untilFailure(records, unpacking)) {
      check.see(record)
      if (record.type === 'layer' && record.empty !== true) {
        const layer = layerOf(record as LayerRecord, { store: options.store, limits })
        await unpacking.add(layer, diffID => check.unpacked(layer, diffID))
      }
      yield record
    }
    await unpacking.last
    if (tars.length === 0) check.finish()
    unpacking.publish()
  } finally {
    await unpacking.close()
  }
}

const PROGRAM = fileURLToPath(new URL('layer-thread.cjs', import.meta.url))

/** Yields the records, but stops as soon as a layer fails, because the next record may be long in coming. */
async function* untilFailure(
  records: AsyncIterable<AnyRecord>,
  unpacking: Unpacking,
): AsyncGenerator<AnyRecord, void, void> {
  const iterator = records[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await unpacking.orFailure(iterator.next())
      if (next.done === true) return
      yield next.value
    }
  } finally {
    // The end of the source is not awaited, because it may be long in coming.
    iterator.return?.().catch(() => {})
  }
}

class Unpacking {
  readonly #options: UntarOptions
  readonly #staging: RootfsStaging
  readonly #target: Target
  readonly #lost = new Lost()
  readonly #forget: () => void
  readonly #thread: ReadingThread
  readonly #open: Reader = blob => this.#thread.open(blob)
  #cause: Promise<unknown> | undefined
  #failure: { readonly error: unknown } | undefined
  #onFailure: (error: unknown) => void = () => {}
  /** Resolves when all layers are unpacked, and rejects as soon as one fails. */
  last: Promise<void> = Promise.resolve()

  constructor(options: UntarOptions) {
    const { target, into = false, overlay, onExit } = options
    this.#options = options
    this.#staging = RootfsStaging.open(target, { into })
    this.#forget = onExit?.(() => this.#staging.abort()) ?? (() => {})
    const { dir } = this.#staging
    const how = { ...howOf(options), program: options.threadProgram ?? PROGRAM }
    this.#thread = new ReadingThread(how.program)
    this.#target =
      overlay === undefined ? plainTarget(dir, this.#open, how) : overlayTarget(dir, overlay, how)
  }

  /** Resolves when the next layer may be given; `whole` is called with the diffIDs in order. */
  async add(layer: LayerSource, whole: (diffID: string) => void): Promise<void> {
    const applied = this.#apply(layer).then(whole)
    this.last = Promise.all([this.last, applied]).then(() => {})
    this.last.catch(error => this.#fail(error))
    if (!this.#target.isParallel) await applied
  }

  /** The result of `next`, unless a layer fails before. */
  orFailure<T>(next: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#onFailure = reject
      if (this.#failure !== undefined) reject(this.#failure.error)
      next.then(resolve, reject)
    })
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.#onFailure(this.#failure.error)
  }

  /** Returns the layer's diffID. */
  async #apply(layer: LayerSource): Promise<string> {
    try {
      if (this.#options.into) await verifyLayer(layer, this.#open)
      const { diffID, result } = await this.#target.apply(layer)
      this.#lost.add(result)
      return diffID
    } catch (caught) {
      // If a layer fails, those above it fail too. The error of the first one is reported.
      this.#cause ??= explained(caught, layer, this.#options.store)
      throw await this.#cause
    }
  }

  publish(): void {
    this.#target.finish()
    this.#staging.publish()
    const lost = this.#lost.text()
    if (lost !== undefined) this.#options.onWarning?.(`left out ${lost}`)
  }

  async close(): Promise<void> {
    await this.#target.close()
    await this.#thread.close()
    this.#staging.abort()
    this.#forget()
  }
}

/** Collects what could not be set for lack of rights, over all layers. */
class Lost {
  #devices = 0
  #xattrs = 0
  #owners = 0

  add({ skippedDevices, skippedXattrs, squashedOwners }: ApplyResult): void {
    this.#devices += skippedDevices
    this.#xattrs += skippedXattrs
    this.#owners += squashedOwners
  }

  /** Undefined if nothing was lost. */
  text(): string | undefined {
    const lost = [
      this.#devices > 0 ? `${this.#devices} devices` : '',
      this.#xattrs > 0 ? `${this.#xattrs} xattrs` : '',
      this.#owners > 0 ? `the owners of ${this.#owners} entries` : '',
    ].filter(text => text !== '')
    return lost.length === 0 ? undefined : lost.join(', ')
  }
}

function howOf(options: UntarOptions): ApplyOptions {
  const { signal, onWarning, selection, idMap, maxEntries, repeated } = options
  return {
    rules: {
      ...(repeated === undefined ? {} : { repeated }),
      ...(maxEntries === undefined ? {} : { maxEntries }),
    },
    ...(signal === undefined ? {} : { signal }),
    ...(onWarning === undefined ? {} : { onWarning }),
    ...(selection === undefined ? {} : { selection }),
    ...(idMap === undefined ? {} : { idMap }),
  }
}

async function explained(caught: unknown, layer: LayerSource, store: () => Store): Promise<unknown> {
  const error = await causeOf(caught, layer)
  if (!(error instanceof ToolError)) return error
  const { code, message, status } = error
  const isAside = error !== caught && (await isSetAside(layer, store))
  const hint = isAside
    ? '; it was damaged in the store, and is set aside: pull or build the image again'
    : hintOf(code)
  return new ToolError(code, `cannot apply layer ${layer.name}: ${message}${hint}`, { cause: error, status })
}

function hintOf(code: string): string {
  if (code !== 'DUPLICATE_ENTRY') return ''
  return ' (--duplicates last takes the last one, as other programs do)'
}

// A damaged blob of the store counts as missing from now on, so that the next pull fetches it again.
async function isSetAside({ name, blob }: LayerSource, open: () => Store): Promise<boolean> {
  const size = blob.expected?.size
  if (blob.expected === undefined || size === undefined) return false
  try {
    const store = open()
    return blob.file === store.blobPath(name) && !(await store.proveBlob({ digest: name, size }))
  } catch (error) {
    // In a read-only store the blob stays; the error of the layer is reported in any case.
    if (error instanceof ToolError) return false
    throw error
  }
}

/**
 * Finds the reason of a failure. A damaged blob can fail in many ways, as a tar or as gzip, but the user has to know
 * that it is damaged.
 */
async function causeOf(error: unknown, layer: LayerSource): Promise<unknown> {
  if (layer.blob.expected === undefined || !(error instanceof ToolError)) return error
  try {
    for await (const _ of openBlob(layer.blob));
    return error
  } catch (damage) {
    return damage
  }
}
