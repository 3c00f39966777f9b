/**
 * The messages between ovl-mount and its session, the process that mounts for a command: one JSON object a line. The
 * session ends when the line between them closes, and its mount with it.
 *
 * @module
 */
import type { LayerToUnpack } from '@pipelayer/steps'
import type { MountOrder } from './mounting.js'

/** The first line: what is to be done. */
export interface SessionOrder extends MountOrder {
  /** Base first; those whose directories are not there yet are unpacked. */
  readonly layers: readonly LayerToUnpack[]
  /** An empty directory on the file system of the store. */
  readonly temporary: string
  readonly command: readonly string[]
}

/** Any later line: the command gets this signal. */
export interface SessionSignal {
  readonly signal: 'SIGTERM'
}

export type SessionReply =
  | { readonly warning: string }
  | { readonly mounted: true }
  | { readonly failure: { readonly code: string; readonly message: string; readonly status: 1 | 2 | 75 } }
  | { readonly bug: string }
  /** The exit status of the command. */
  | { readonly ended: number }
