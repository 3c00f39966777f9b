import { ToolError } from '@pipelayer/errors'
import { checkConfig, type ImageConfig, type Manifest, parseObject } from '@pipelayer/oci'
import type { Place } from '@pipelayer/places'
import type { Keeper } from './keeper.js'

/**
 * Reads the config of an image, and compares it with the manifest.
 *
 * @throws ToolError `CONFIG_INVALID`, also if it does not have one diffID for each layer; those of the keeper and the
 * place
 */
export async function readConfig(
  { config, layers }: Manifest,
  { place, keeper }: { readonly place: Place; readonly keeper: Pick<Keeper, 'document'> },
): Promise<ImageConfig> {
  const bytes = await keeper.document(config, place.read)
  const document = checkConfig(parseObject(bytes, ['CONFIG_INVALID', `config ${config.digest}`]))
  const { length } = document.rootfs.diff_ids
  if (length === layers.length) return document
  const message = `config ${config.digest} has ${length} diff_ids, the manifest ${layers.length} layers`
  throw new ToolError('CONFIG_INVALID', message)
}
