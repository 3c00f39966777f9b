import type { ReferrerCache } from '@pipelayer/oci'
import type { Exchange } from './exchange.js'
import type { RegistryStorage } from './storage.js'
import type { Uploads } from './uploads.js'

/** The parts of the server that the handlers of requests use. */
export interface Registry {
  readonly storage: RegistryStorage
  readonly uploads: Uploads
  readonly referrers: ReferrerCache
  /** Writes a warning for the operator of the server. */
  warn(message: string, code?: string): void
}

/** A request about something in a repository. */
export interface Subject {
  readonly registry: Registry
  readonly exchange: Exchange
  /** Name of the repository; empty where the request is about none. */
  readonly name: string
  /** Tag, digest or ID; empty where the route has none. */
  readonly item: string
}

export type Handler = (subject: Subject) => Promise<void> | void
