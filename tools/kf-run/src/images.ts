/**
 * What the executor of a cluster image loads to bring container images: half of all of its code, which the other builds
 * do not read.
 *
 * @module
 */

import { bringAllImages as bring } from '@pipelayer/cluster-build'
import { ToolError } from '@pipelayer/errors'

/**
 * Brings the container images that a root filesystem names into its registry.
 *
 * @returns the failure, if a {@link ToolError} of this program ended it. To the executor, which is another program in
 *   the same process, its class is a strange one, so it is not thrown.
 */
export async function bringImages(...request: Parameters<typeof bring>): Promise<ToolError | undefined> {
  try {
    return void (await bring(...request))
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}
