/**
 * img-pull: reads images from places, brings their blobs into the store and writes their records.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { type Platform, parsePlatform } from '@pipelayer/oci'
import { type PullOptions, pullImages } from '@pipelayer/pulling'
import type { AnyRecord } from '@pipelayer/records'

export interface ImgPullOptions extends Omit<PullOptions, 'tool' | 'platforms'> {
  /** Which manifests of an index to take: `os/architecture[/variant]`. The default is this machine's platform. */
  readonly platforms?: readonly string[]
  /** The platform of this machine. */
  readonly machine: Platform
}

/**
 * Pulls images, several at a time, and writes their records: see {@link pullImages}.
 *
 * @throws ToolError `PLATFORM_INVALID` and its like, of status 2; those of {@link pullImages}
 */
export async function* imgPull(
  records: AsyncIterable<AnyRecord>,
  options: ImgPullOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  yield* pullImages(records, { ...options, tool: 'img-pull', platforms: wantedPlatforms(options) })
}

function wantedPlatforms({ platforms = [], machine }: ImgPullOptions): readonly Platform[] {
  try {
    return platforms.length === 0 ? [machine] : platforms.map(text => parsePlatform(text, machine))
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}
