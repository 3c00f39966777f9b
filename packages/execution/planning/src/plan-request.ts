import type { CreationTime, Platform } from '@pipelayer/oci'
import type { AgentSource, RemoteFinder, SecretSource } from '@pipelayer/steps'
import type { BlobStore } from './heredoc-body.js'
import type { SourceFinder } from './source-finder.js'
import type { StepPlanner } from './step-planner.js'

/** The image that is planned, and the interfaces that planning may ask. There is one request for each platform. */
export interface PlanRequest {
  readonly platform: Platform
  readonly machine: BuildMachine
  readonly buildArgs: ReadonlyMap<string, string>
  readonly time: CreationTime
  readonly runs: RunRules
  readonly sources: SourceFinder
  readonly remotes: RemoteFinder
  /** Where the long heredocs are. */
  readonly blobs: BlobStore
  readonly steps: StepPlanner
}

/** The machine that executes the steps. */
export interface BuildMachine extends Platform {
  /**
   * Called right before a RUN of another architecture is executed.
   *
   * @throws {ToolError} where the machine cannot start programs of that architecture
   */
  readonly checkEmulator: (architecture: string) => void
}

/** Rules for every RUN, whatever its instruction says. */
export interface RunRules {
  readonly network: 'host' | 'none'
  /** What a Dockerfile may ask for: `security.insecure`. */
  readonly allow: ReadonlySet<string>
  readonly secrets: ReadonlyMap<string, SecretSource>
  readonly ssh: ReadonlyMap<string, AgentSource>
  /** Where caches of `--mount=type=cache` live. */
  readonly cacheDir: string
}

/** Nanoseconds since 1970, for files that a step makes without a source. */
export function timeNs({ created }: Pick<CreationTime, 'created'>): string {
  return String(BigInt(Date.parse(created)) * 1_000_000n)
}
