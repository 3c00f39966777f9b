/**
 * Whether the layers that came are those of their image.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { ConfigRecord } from '@pipelayer/records'

/**
 * Holds diffIDs, base first, to those in a config; one that names none, as that of a build, has nothing to say.
 *
 * @throws ToolError `LAYERS_MISSING`, `DIFF_ID_MISMATCH`: a record was lost, or changed and not told to manifest-gen
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
