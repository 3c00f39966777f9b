/**
 * img-pull: reads images from places, brings their blobs into the store and writes their records.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { type Platform, parsePlatform } from '@pipelayer/oci'
import { type PullOptions, pullImages } from '@pipelayer/pulling'
import type { AnyRecord } from '@pipelayer/records'

export interface ImgPullOptions extends Omit<PullOptions, 'tool' | 'choice'> {
  /** Which manifests of an index to take: `os/architecture[/variant]`. This machine's, unless said. */
  readonly platforms?: readonly string[]
  /** Take an index as a whole, `platforms` aside. */
  readonly allPlatforms?: boolean
  /** Pull what refers to each image, too: signatures, SBOMs. */
  readonly referrers?: boolean
  /** Bring nothing into the store: records say where things are, and carry manifests. */
  readonly noStore?: boolean
  /** Do not name the images in the store's index. */
  readonly noTag?: boolean
  /** This machine. */
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
  const { allPlatforms = false, referrers = false, noStore, noTag } = options
  const keeps = noStore ? 'nothing' : noTag ? 'blobs' : 'names'
  const choice = { platforms: wantedPlatforms(options), allPlatforms, referrers, keeps } as const
  yield* pullImages(records, { ...options, tool: 'img-pull', choice })
}

function wantedPlatforms({ platforms = [], machine }: ImgPullOptions): readonly Platform[] {
  try {
    return platforms.length === 0 ? [machine] : platforms.map(text => parsePlatform(text, machine))
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}
