import type { Caller } from '@pipelayer/containers'
import type { MountWish } from './places.js'

export interface MountJob extends MountWish {
  readonly kind: 'mount'
  /** The command for which the mount is made, for `runInMount`. */
  readonly command?: readonly string[]
}

export interface OvlMountOptions {
  readonly job:
    | MountJob
    | { readonly kind: 'unmount'; readonly targets: readonly string[]; readonly lazy: boolean }
    | { readonly kind: 'list'; readonly targets: readonly string[] }
  /** The folder of the store. */
  readonly store: string
  readonly caller: Caller
  readonly env: Readonly<Record<string, string | undefined>>
  /** A command may have stdin, since no records come there. */
  readonly isStdinFree: boolean
  readonly now: Date
  readonly signal: AbortSignal
  readonly onWarning: (message: string) => void
  /** Is called when a command is about to run on the terminal. */
  readonly onCommand?: () => void
}
