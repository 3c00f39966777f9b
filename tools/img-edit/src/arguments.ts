/**
 * Reads the command line: what is changed.
 *
 * @module
 */
import { type Args, type REMOTE_OPTIONS, remoteAccess } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { type EditArgs, type ImageEdits, imageEditsOf, timeOf } from '@pipelayer/image-edits'
import { creationTime } from '@pipelayer/oci'
import { parsePlace, remoteOptions } from '@pipelayer/places'
import { defaultStorePath, Store } from '@pipelayer/store'
import type { ImgEditOptions } from './index.js'

export interface ImgEditArguments extends EditArgs, Args<typeof REMOTE_OPTIONS> {
  readonly created: string | undefined
  readonly append: readonly string[]
  readonly rebase: string | undefined
  readonly 'strip-history': boolean
  readonly store: string | undefined
}

/** The surroundings from which options get default values. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  warn(message: string, code?: string): void
}

/** @throws ToolError `USAGE`, `TIME_INVALID`, `PLACE_INVALID`, `PLACE_UNSUPPORTED`, status 2 */
export function optionsOf(args: ImgEditArguments, context: Surroundings): ImgEditOptions {
  const { env, signal, warn } = context
  const root = args.store ?? defaultStorePath(env)
  const { epoch } = creationTime({ sourceDateEpoch: env.SOURCE_DATE_EPOCH, now: new Date(0) })
  return {
    ...imageEditsOf(args),
    created: timeOf(args.created),
    append: args.append,
    rebase: args.rebase === undefined ? undefined : baseChange(args.rebase),
    stripHistory: args['strip-history'],
    store: Store.open(root),
    places: { store: root, ...remoteOptions(remoteAccess(args), context) },
    signal,
    onWarning: warn,
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  }
}

function baseChange(text: string): NonNullable<ImageEdits['rebase']> {
  const [old = '', base = '', ...more] = text.split('=')
  if (old === '' || base === '' || more.length > 0)
    throw new ToolError('USAGE', `--rebase takes OLD=NEW, two images, got ${JSON.stringify(text)}`, {
      status: 2,
    })
  for (const place of [old, base]) checkPlace(place)
  return { old, new: base }
}

function checkPlace(text: string): void {
  try {
    parsePlace(text)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}
