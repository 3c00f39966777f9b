import { ToolError } from '@pipelayer/errors'
import { parseLayoutIndex, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import type { Descriptor } from '@pipelayer/oci'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'

/** An image that the index of an archive names. */
export interface ArchivedImage {
  readonly descriptor: Descriptor
  /** Fully qualified. */
  readonly name: string | undefined
}

/** The annotation by which containerd and Docker give the full name of an image. */
const FULL_NAME = 'io.containerd.image.name'

/**
 * The images that index.json of an archive lists.
 *
 * @param tag - a name for the only image
 * @throws ToolError `LAYOUT_INVALID`; `REFERENCE_AMBIGUOUS`, `REFERENCE_INVALID` for the tag
 */
export function imagesIn(index: Buffer, tag: string | undefined): readonly ArchivedImage[] {
  const entries = parseLayoutIndex(index.toString('utf8'), 'index.json of the archive').manifests
  if (tag === undefined) return entries.map(descriptor => ({ descriptor, name: nameOf(descriptor) }))
  const [descriptor, another] = entries
  if (descriptor !== undefined && another === undefined) return [{ descriptor, name: asked(tag) }]
  const message = `cannot name ${entries.length} images ${tag}: --tag is for an archive of one image`
  throw new ToolError('REFERENCE_AMBIGUOUS', message)
}

// If the name is only a tag, as skopeo writes it, it does not tell the repository.
function nameOf({ annotations = {} }: StoredDescriptor): string | undefined {
  const text = annotations[FULL_NAME] ?? annotations[REF_NAME]
  if (text === undefined || !/[/:]/.test(text)) return undefined
  try {
    return formatReference(withDefaultTag(parseNormalized(text)))
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function asked(tag: string): string {
  return formatReference(withDefaultTag(parseNormalized(tag)))
}
