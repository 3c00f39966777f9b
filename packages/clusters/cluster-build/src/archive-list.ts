/**
 * `images/skopeo/tar.txt`: archives that lie beside it, each with the name that its image gets in the registry.
 *
 *     line = ( "docker-archive:" | "oci-archive:" ) file "@" name
 *
 * Spec: labring/sealos v5, pkg/sreg/buildimage/tar_images.go
 *
 * @module
 */

import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'

/** An archive of the list. */
export interface ListedArchive {
  readonly transport: 'docker-archive' | 'oci-archive'
  /** Relative to the folder of the list; it does not lead out of it. */
  readonly file: string
  /** The full name of the image, with a tag. */
  readonly name: string
}

const LINE = /^(docker-archive|oci-archive):([^@]*)@(.*)$/

/**
 * The archives of a list, in order. Blank lines, and those that begin with `#`, are skipped.
 *
 * @param place - the name of the list in messages
 * @throws ToolError `IMAGE_LIST_INVALID` as `FILE:LINE: ...`
 */
export function archiveList(text: string, place: string): readonly ListedArchive[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) return []
    const where = `${place}:${index + 1}`
    const [, transport, file = '', name = ''] = LINE.exec(trimmed) ?? []
    if (transport !== 'docker-archive' && transport !== 'oci-archive')
      throw invalid(
        where,
        `expected docker-archive:FILE@NAME or oci-archive:FILE@NAME, got ${JSON.stringify(trimmed)}`,
      )
    return [{ transport, file: insideFile(file.trim(), where), name: fullName(name.trim(), where) }]
  })
}

function insideFile(file: string, where: string): string {
  const plain = path.posix.normalize(file)
  const leaves = file === '' || plain === '..' || plain.startsWith('../') || path.posix.isAbsolute(plain)
  // The places that read archives take a colon as the end of the file name.
  if (leaves || plain.includes(':') || plain.includes('\0'))
    throw invalid(where, `${JSON.stringify(file)} is no file beside the list`)
  return plain
}

function fullName(name: string, where: string): string {
  try {
    const reference = parseNormalized(name)
    if (reference.digest === undefined) return formatReference(withDefaultTag(reference))
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw invalid(where, error.message, error)
  }
  throw invalid(where, `${JSON.stringify(name)} has a digest: an archive gives an image a tag`)
}

function invalid(where: string, why: string, cause?: unknown): ToolError {
  return new ToolError('IMAGE_LIST_INVALID', `${where}: ${why}`, { cause })
}
