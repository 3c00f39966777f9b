/**
 * Reads the command line: what is compared, and what the new image says.
 *
 * @module
 */
import path from 'node:path'
import { type Args, type REMOTE_OPTIONS, remoteAccess } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { type EditArgs, type ImageEdits, imageEditsOf } from '@pipelayer/image-edits'
import { creationTime, type Platform, parsePlatform } from '@pipelayer/oci'
import { remoteOptions } from '@pipelayer/places'
import { defaultStorePath, Store } from '@pipelayer/store'
import { editsOfInstructions } from './change-option.js'
import type { ImgCommitOptions } from './index.js'

export interface ImgCommitArguments extends EditArgs, Args<typeof REMOTE_OPTIONS> {
  readonly upper: string | undefined
  readonly lower: readonly string[]
  readonly xattrs: string | undefined
  readonly root: string | undefined
  readonly change: readonly string[]
  readonly message: string | undefined
  readonly created: string | undefined
  readonly platform: string | undefined
  readonly store: string | undefined
}

/** The surroundings from which options get default values. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly now: Date
  readonly machine: Platform
  warn(message: string, code?: string): void
}

/** @throws ToolError `USAGE`, `TIME_INVALID`, `PLATFORM_INVALID`, status 2 */
export function optionsOf(args: ImgCommitArguments, context: Surroundings): ImgCommitOptions {
  const { env, signal, now, machine, warn } = context
  const root = args.store ?? defaultStorePath(env)
  const [image = '', target = ''] = args._
  const { created, epoch } = creationTime({
    sourceDateEpoch: env.SOURCE_DATE_EPOCH,
    created: args.created,
    now,
  })
  return {
    image,
    target,
    changed: changedOf(args),
    edits: editsFrom(args),
    created,
    ...(args.message === undefined ? {} : { message: args.message }),
    platform: args.platform === undefined ? machine : platformOf(args.platform, machine),
    store: Store.open(root),
    places: { store: root, ...remoteOptions(remoteAccess(args), context) },
    signal,
    onWarning: warn,
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  }
}

function changedOf({ upper, lower, xattrs, root }: ImgCommitArguments): ImgCommitOptions['changed'] {
  if ((upper === undefined) === (root === undefined)) throw usage('one of --upper and --root is needed')
  if (root !== undefined) {
    if (lower.length > 0 || xattrs !== undefined) throw usage('--lower and --xattrs need --upper')
    return { root: path.resolve(root) }
  }
  const lowers = lower.length === 0 ? {} : { lowers: lower.map(dir => path.resolve(dir)) }
  return { upper: path.resolve(upper ?? ''), ...lowers, xattrs: xattrs === 'user' ? 'user' : 'trusted' }
}

// Options come after the instructions of --change, whatever their order on the command line.
function editsFrom(args: ImgCommitArguments): Pick<ImageEdits, 'config' | 'annotations' | 'author'> {
  const edits = imageEditsOf(args)
  const change = editsOfInstructions(args.change)
  const { config } = edits
  const joined = {
    ...change,
    ...config,
    cmd: config.cmd ?? (config.entrypoint === undefined ? change.cmd : undefined),
    entrypoint: config.entrypoint ?? change.entrypoint,
    env: [...(change.env ?? []), ...(config.env ?? [])],
    labels: [...(change.labels ?? []), ...(config.labels ?? [])],
    expose: [...(change.expose ?? []), ...(config.expose ?? [])],
    volumes: [...(change.volumes ?? []), ...(config.volumes ?? [])],
  }
  return { ...edits, config: joined }
}

function platformOf(text: string, machine: Platform): Platform {
  try {
    return parsePlatform(text, machine)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}
