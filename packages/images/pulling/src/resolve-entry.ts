import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isSameKind } from '@pipelayer/oci'
import type { Place, PlacedManifest, PlaceOptions } from '@pipelayer/places'

/**
 * Reads a manifest that an index names, and checks that both state the same size and media type. If one has OCI's name
 * and the other Docker's name of the same type, only `warn` is called.
 *
 * @throws ToolError `MEDIA_TYPE_MISMATCH`, `SIZE_MISMATCH`; those of the place
 */
export async function resolveEntry(
  place: Place,
  entry: Descriptor,
  warn: PlaceOptions['warn'],
): Promise<PlacedManifest> {
  const found = await place.read.resolve(entry.digest)
  const { mediaType, size } = found.descriptor
  if (mediaType === entry.mediaType && size === entry.size) return found
  const message = `the index says that ${entry.digest} is ${entry.mediaType} of ${entry.size} bytes, but it is ${mediaType} of ${size} bytes`
  if (size !== entry.size) throw new ToolError('SIZE_MISMATCH', message)
  if (!isSameKind(mediaType, entry.mediaType)) throw new ToolError('MEDIA_TYPE_MISMATCH', message)
  warn?.(`${message}: read as what it says`, 'MEDIA_TYPE_MISMATCH')
  return found
}
