import type { ImagesAction } from '@pipelayer/steps'
import { bringImages } from './images-run.js'
import { bringListedArchives } from './listed-archives.js'

/**
 * Puts all container images of a cluster image into its registry: those of listed archives, then those that are named.
 *
 * @throws {ToolError} those of {@link bringListedArchives} and {@link bringImages}
 */
export async function bringAllImages(
  setup: Parameters<typeof bringImages>[0],
  action: ImagesAction,
  target: string,
): Promise<void> {
  await bringListedArchives(setup, action, target)
  await bringImages(setup, action, target)
}
