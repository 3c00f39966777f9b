/**
 * Reads the command line: what is compared.
 *
 * @module
 */
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import type { LayerSource } from './index.js'

export interface DiffArguments {
  /** BEFORE and AFTER, or only AFTER. */
  readonly trees: readonly string[]
  readonly upper: string | undefined
  readonly lower: readonly string[]
  readonly xattrs: string | undefined
  readonly createdBy: string | undefined
  /** Two images of the stream are compared. */
  readonly images: boolean
}

/**
 * The trees that the arguments name; undefined if they name none, so that snapshots are read.
 *
 * @throws ToolError `USAGE`, status 2
 */
export function sourceOf(given: DiffArguments): LayerSource | undefined {
  const { trees, upper, lower, createdBy } = given
  if (given.images && (upper !== undefined || trees.length > 0))
    throw usage('--images reads records: no directory can be given')
  if (upper === undefined && lower.length > 0) throw usage('--lower needs --upper')
  if (upper !== undefined && trees.length > 0) throw usage('--upper and two trees cannot be compared at once')
  const common = { image: '1', createdBy }
  if (upper !== undefined) {
    const lowers = lower.length === 0 ? undefined : lower.map(dir => path.resolve(dir))
    return {
      ...common,
      upper: path.resolve(upper),
      lowers,
      xattrs: given.xattrs === 'user' ? 'user' : 'trusted',
    }
  }
  const [first, second] = trees.map(dir => path.resolve(dir))
  if (first === undefined) return undefined
  return second === undefined ? { ...common, after: first } : { ...common, before: first, after: second }
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}
