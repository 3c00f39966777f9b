/**
 * Reads the properties of the image from the command line.
 *
 * @module
 */
import type { ConfigArgs } from '@pipelayer/cli'
import { editsOf, pairs } from '@pipelayer/image-documents'
import { creationTime, parsePlatform, platformOfNode } from '@pipelayer/oci'
import { defaultStorePath, Store } from '@pipelayer/store'
import type { ManifestGenOptions } from './index.js'

export interface DescribeArguments extends ConfigArgs {
  readonly tag: string | undefined
  readonly store: string | undefined
  readonly platform: string | undefined
  readonly 'media-types': string | undefined
  readonly annotation: readonly string[]
  readonly index: boolean
  readonly author: string | undefined
  readonly created: string | undefined
  readonly 'new-config': boolean
}

/** The surroundings from which options get default values. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  now(): Date
}

/** @throws {ToolError} `PLATFORM_INVALID`, `TIME_INVALID`, and `USAGE` for an invalid pair or JSON array */
export function optionsOf(args: DescribeArguments, { env, now }: Surroundings): ManifestGenOptions {
  const media = args['media-types']
  const time = creationTime({ sourceDateEpoch: env.SOURCE_DATE_EPOCH, created: args.created, now: now() })
  return {
    store: Store.open(args.store ?? defaultStorePath(env)),
    ...(args.tag === undefined ? {} : { tag: args.tag }),
    mediaTypes: media === 'oci' || media === 'docker' ? media : undefined,
    platform: args.platform === undefined ? undefined : parsePlatform(args.platform),
    annotations: pairs(args.annotation, '--annotation'),
    index: args.index,
    newConfig: args['new-config'],
    author: args.author,
    created: time.created,
    defaultPlatform: platformOfNode(process),
    edits: editsOf(args),
  }
}
