/**
 * Checks that the layers in a stream are those of their image.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { ConfigRecord } from '@pipelayer/records'

/**
 * Compares diffIDs, base first, with those in a config. A config without diffIDs, as a build has it at first, is not
 * compared.
 *
 * @throws ToolError `LAYERS_MISSING`, `DIFF_ID_MISMATCH`: a record was lost, or was changed without running
 * manifest-gen again
 */
export function checkDiffIDs(
  { config, image }: ConfigRecord,
  diffIDs: readonly (string | undefined)[],
): void {
  const rootfs: unknown = config.rootfs
  const wanted: unknown =
    typeof rootfs === 'object' && rootfs !== null ? Reflect.get(rootfs, 'diff_ids') : undefined
  if (!Array.isArray(wanted)) return
  if (wanted.length !== diffIDs.length)
    throw new ToolError(
      'LAYERS_MISSING',
      `image "${image}" has ${wanted.length} layers by its config, but ${diffIDs.length} came`,
    )
  const at = wanted.findIndex((diffID, i) => diffIDs[i] !== undefined && diffIDs[i] !== diffID)
  if (at >= 0)
    throw new ToolError(
      'DIFF_ID_MISMATCH',
      `layer ${at + 1} of image "${image}" should be ${wanted[at]} by its config, but ${diffIDs[at]} came`,
    )
}
