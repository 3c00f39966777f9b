/**
 * kf-run: executes the instructions of a Dockerfile, step by step.
 *
 * @module
 */
import { type BuildOptions, executeBuild } from '@pipelayer/build'
import type { AnyRecord } from '@pipelayer/records'

export type { BuildOptions as KfRunOptions } from '@pipelayer/build'

/** The runtimes that `--runtime` names. */
export const RUNTIMES = ['auto', 'runc', 'crun', 'chroot'] as const
/** What `--overlays` names. */
export const OVERLAYS = ['auto', 'kernel', 'fuse', 'none'] as const
export const NETWORKS = ['host', 'none', 'default'] as const

/**
 * Executes `instruction` records. Gives the `layer` records of the base image, a `snapshot` for each step that made a
 * layer (or the `layer` that it was packed into before), and one `config`. Other records pass through.
 *
 * Errors: see {@link executeBuild}.
 */
export async function* kfRun(
  records: AsyncIterable<AnyRecord>,
  options: BuildOptions,
): AsyncGenerator<AnyRecord, void, void> {
  yield* executeBuild(records, options)
}
