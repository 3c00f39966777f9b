import type { FetchedSource } from './executor-protocol.js'

/** A source in the network that was found, but may not be fetched yet. */
export interface Remote {
  /** Represents the source in a cache key. */
  readonly key: unknown
  /** Fetches what is missing. `before` is its position among the other sources. */
  readonly fetch: (before: number) => Promise<FetchedSource>
}

/** The flags of ADD that concern such a source. */
export interface RemoteRequest {
  readonly checksum?: string | undefined
  readonly keepGitDir?: boolean | undefined
  readonly unpack?: boolean | undefined
}

/** Finds sources in the network. */
export interface RemoteFinder {
  /** Asks a repository for a commit, or fetches a file that has no checksum. */
  find(source: string, request: RemoteRequest): Promise<Remote>
}
