import type { Readable } from 'node:stream'

export interface ClusterImageOptions {
  /** The folder of the store. */
  readonly store: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly now: () => Date
  /** What is read for the archive `-`. */
  readonly stdin: Readable
  readonly signal?: AbortSignal
  /** Of save. */
  readonly output?: string | undefined
  /** Of merge and load. */
  readonly tag?: string | undefined
  /** Of load. */
  readonly newIDs?: boolean
  /** Of rm. */
  readonly force?: boolean
  /** Of inspect: an image without a Clusterfile is an error. */
  readonly clusterfile?: boolean
  /** RFC 3339. */
  readonly created?: string | undefined
}
