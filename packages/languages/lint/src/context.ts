import type { Collector } from './collector.js'

/** What every rule may ask for. */
export interface LintContext {
  readonly collector: Collector
  readonly buildArgs: ReadonlyMap<string, string>
  /** `os/architecture` to build for. */
  readonly platform: string
  /** Patterns of `.dockerignore`. */
  readonly ignore: readonly string[]
}
