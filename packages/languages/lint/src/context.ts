import type { Collector } from './collector.js'

/** The settings that every rule can read. */
export interface LintContext {
  readonly collector: Collector
  readonly buildArgs: ReadonlyMap<string, string>
  /** `os/architecture` to build for. */
  readonly platform: string
  /** Patterns of `.dockerignore`. */
  readonly ignore: readonly string[]
}
