/**
 * The messages to and from a thread that works on layers.
 *
 * @module
 */

import type { MessagePort } from 'node:worker_threads'
import type { BlobFile } from '@pipelayer/layer-blob'
import type { XattrForm } from '@pipelayer/rootfs'
import type { UnpackedOverlay } from './apply.js'
import type { ApplyOptions } from './types.js'
import type { BatchDone, QueueMemory } from './write-queue.js'

/** The number of slots in the ring that passes on the bytes of a tar. Each holds at most one chunk. */
export const SLOTS = 16
export const SLOT_BYTES = 1 << 18

/** The data that both sides have from the start. */
export interface ThreadData extends QueueMemory {
  readonly port: MessagePort
  /**
   * The ring that passes on the bytes of a tar, slot after slot. It is used again, so that there is no garbage to
   * collect.
   */
  readonly ring: SharedArrayBuffer
  /** One number: how many layers from the lowest on are whole. */
  readonly whole: Int32Array
}

/** A layer to be unpacked in overlay form. Plain data, so that it can be given to another thread. */
export interface OverlayLayer {
  readonly blob: BlobFile
  /** An absolute path to an existing, empty directory. */
  readonly dir: string
  /** Absolute paths, nearest first. They must exist when the layers of earlier calls are whole. */
  readonly lowers: readonly string[]
}

/** How it is unpacked, as far as that is plain data. */
export type PlainOptions = Pick<ApplyOptions, 'idMap' | 'owner' | 'rules'>

export interface UnpackJob extends OverlayLayer {
  /** How many layers have to be whole before `lowers` may be read. */
  readonly number: number
  readonly xattrs: XattrForm
  readonly options: PlainOptions
}

export interface UnpackedLayer extends UnpackedOverlay {
  readonly diffID: string
}

/**
 * Messages to the thread: a blob to read, slots that are free again, files to write, a request to stop; or a layer to
 * unpack. The thread does one job at a time.
 */
export type ToThread =
  | { readonly read: BlobFile }
  | { readonly used: number }
  | { readonly rows: number }
  | 'stop'
  | { readonly unpack: UnpackJob }

/**
 * Messages from the thread: the length of the data in the next slot, files that are written, a warning; and at the end
 * the result of the job.
 */
export type FromThread =
  | { readonly filled: number }
  | BatchDone
  | { readonly warning: string }
  | { readonly diffID: string }
  | { readonly unpacked: UnpackedLayer }
  | { readonly failure: { readonly code: string; readonly message: string; readonly status: number } }
  | { readonly bug: string }
