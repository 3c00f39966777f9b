import type { Readable } from 'node:stream'

export interface ClusterImageOptions {
  /** The folder of the store. */
  readonly store: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: () => Date
  /** The input that is read for the archive `-`. */
  readonly stdin: Readable
  readonly signal?: AbortSignal
  /** For save. */
  readonly output?: string | undefined
  /** For merge and load. */
  readonly tag?: string | undefined
  /** For load. */
  readonly newIDs?: boolean
  /** For rm. */
  readonly force?: boolean
  /** For inspect: an image without a Clusterfile is an error. */
  readonly clusterfile?: boolean
  /** RFC 3339. */
  readonly created?: string | undefined
}
