/**
 * What a thread that works on layers is told, and what it tells.
 *
 * @module
 */

import type { MessagePort } from 'node:worker_threads'
import type { BlobFile } from '@pipelayer/layer-blob'
import type { XattrForm } from '@pipelayer/rootfs'
import type { UnpackedOverlay } from './apply.js'
import type { ApplyOptions } from './types.js'
import type { BatchDone, QueueMemory } from './write-queue.js'

/** Bytes of the tar under way: these slots, each filled by one chunk at most. */
export const SLOTS = 16
export const SLOT_BYTES = 1 << 18

/** What both sides have from the start. */
export interface ThreadData extends QueueMemory {
  readonly port: MessagePort
  /** Through it go the bytes of a tar, slot after slot; it is used again, so nothing is left to the garbage collector. */
  readonly ring: SharedArrayBuffer
  /** One number: how many layers from the lowest on are whole. */
  readonly whole: Int32Array
}

/** A layer to be unpacked in overlay form. Plain data, so that it can be given to another thread. */
export interface OverlayLayer {
  readonly blob: BlobFile
  /** Absolute; exists and is empty. */
  readonly dir: string
  /** Absolute, nearest first. They have to be there once the layers given before this one are whole. */
  readonly lowers: readonly string[]
}

/** How it is unpacked, as far as that is plain data. */
export type PlainOptions = Pick<ApplyOptions, 'idMap' | 'owner' | 'rules'>

export interface UnpackJob extends OverlayLayer {
  /** How many layers have to be whole before `lowers` may be looked at. */
  readonly number: number
  readonly xattrs: XattrForm
  readonly options: PlainOptions
}

export interface UnpackedLayer extends UnpackedOverlay {
  readonly diffID: string
}

/**
 * To the thread: a blob to read, slots used up, files to be written, that no more is wanted; a layer to unpack. One job
 * at a time.
 */
export type ToThread =
  | { readonly read: BlobFile }
  | { readonly used: number }
  | { readonly rows: number }
  | 'stop'
  | { readonly unpack: UnpackJob }

/** From the thread: the length of what is in the next slot, files that are written, a warning; last what became of the job. */
export type FromThread =
  | { readonly filled: number }
  | BatchDone
  | { readonly warning: string }
  | { readonly diffID: string }
  | { readonly unpacked: UnpackedLayer }
  | { readonly failure: { readonly code: string; readonly message: string; readonly status: number } }
  | { readonly bug: string }
