import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { imagesInArchive, type NamedInArchive } from '@pipelayer/places'

/** An image in an archive of the folder `images` of a root filesystem. */
export interface PackedImage {
  /** Fully qualified, as the archive says. */
  readonly name: string
  /** The place to read it from. */
  readonly place: string
  /** The archive, for messages. */
  readonly file: string
}

const ARCHIVE = /\.(?:tar|tgz|tar\.(?:gz|zst|bz2|xz))$/i
/** How many archives are looked into, and how many names they may have together. */
const MAX_ARCHIVES = 10_000
const MAX_NAMES = 10_000

/**
 * The images of the archives in `images/`, each under all of its names. The name of the file says nothing. What is no
 * archive of images, or has images without names, is warned of: it may be meant for something else.
 */
export async function packedImages(
  dir: string,
  warn: (message: string, code: string) => void,
): Promise<readonly PackedImage[]> {
  const packed = new Map<string, PackedImage>()
  for (const file of archivesIn(path.join(dir, 'images'))) {
    const images = await imagesIn(file, warn)
    if (images.some(({ names }) => names.length === 0))
      warn(`${file}: an image in it has no name, and does not come into the registry`, 'ARCHIVE_UNNAMED')
    for (const image of images.flatMap(one => named(one, file))) {
      const other = packed.get(image.name)
      if (other === undefined && packed.size < MAX_NAMES) packed.set(image.name, image)
      else if (other !== undefined && other.file !== file)
        warn(`${file}: ${image.name} is in ${other.file} as well, and is taken from there`, 'ARCHIVE_DOUBLE')
    }
  }
  return [...packed.values()]
}

function named({ names, place }: NamedInArchive, file: string): readonly PackedImage[] {
  return names.map(name => ({ name, place, file }))
}

function archivesIn(folder: string): readonly string[] {
  if (fs.lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isFile() && ARCHIVE.test(entry.name))
    .map(entry => path.join(folder, entry.name))
    .sort()
    .slice(0, MAX_ARCHIVES)
}

async function imagesIn(
  file: string,
  warn: (message: string, code: string) => void,
): Promise<readonly NamedInArchive[]> {
  try {
    return await imagesInArchive(file)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    const message = error.message.includes(file) ? error.message : `${file}: ${error.message}`
    warn(`${message}: none of its images comes into the registry`, error.code)
    return []
  }
}
