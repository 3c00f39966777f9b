import type { FetchedSource } from './executor-protocol.js'

/** A source of the network, found but perhaps not fetched yet. */
export interface Remote {
  /** Stands for it in a cache key. */
  readonly key: unknown
  /** Fetches what is missing. `before` is its place among the other sources. */
  readonly fetch: (before: number) => Promise<FetchedSource>
}

/** What ADD says of a source. */
export interface RemoteRequest {
  readonly checksum?: string | undefined
  readonly keepGitDir?: boolean | undefined
  readonly unpack?: boolean | undefined
}

/** Finds sources of the network. */
export interface RemoteFinder {
  /** Asks a repository for a commit, brings a file that no checksum names. */
  find(source: string, request: RemoteRequest): Promise<Remote>
}
