import { ArchiveFile, CONTAINERD_NAME, invalid } from '@pipelayer/archives'
import { REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { PackedLayout } from './packed-layout.js'
import { SavedImages } from './saved-images.js'

/** An image in an archive. */
export interface NamedInArchive {
  /** Fully qualified; none if the archive gives it no name that a registry could have. */
  readonly names: readonly string[]
  /** The place to read it from. */
  readonly place: string
}

/**
 * The images in a file, which `docker save` wrote or which is an OCI layout in a tar, compressed or not. Layers that are
 * compressed one by one in an old archive are read through.
 *
 * @param file - a path without a colon
 * @throws ToolError `ARCHIVE_INVALID` for what is no such file, or has a colon in its path; those of places
 */
export async function imagesInArchive(file: string): Promise<readonly NamedInArchive[]> {
  if (file.includes(':')) throw invalid(file, 'its path has a colon, with which no place can name it')
  const archive = await ArchiveFile.open(file)
  try {
    if (archive.find('manifest.json') !== undefined) {
      const { images } = await SavedImages.of(archive)
      return images.map(({ references }, at) => ({
        names: references,
        place: `docker-archive:${file}:@${at}`,
      }))
    }
    const { entries } = await PackedLayout.of(archive)
    return entries.map((entry, at) => ({ names: namesOf(entry), place: `oci-archive:${file}:@${at}` }))
  } finally {
    await archive.close()
  }
}

/** A name of a layout may be a tag alone, which does not say of what. */
function namesOf({ annotations }: StoredDescriptor): readonly string[] {
  const full = annotations?.[CONTAINERD_NAME] ?? annotations?.[REF_NAME]
  if (full === undefined || !/[/:]/.test(full)) return []
  return [formatReference(withDefaultTag(parseNormalized(full)))]
}
