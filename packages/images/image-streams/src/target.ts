/**
 * Decides to which place an image is put, by the place that was given and the image's own reference.
 *
 * ```
 * PLACE            with the reference docker.io/library/app:1
 * (none)           docker://docker.io/library/app:1
 * docker://h/x:2   docker://h/x:2
 * docker://h/x/    docker://h/x/library/app:1       a prefix: the path and the tag are added
 * oci:DIR:name     oci:DIR:name
 * oci:DIR          oci:DIR:docker.io/library/app:1  (oci:DIR/ as well)
 * oci-archive:F    oci-archive:F:docker.io/library/app:1      (docker-archive:F as well; `app@DIGEST` gets no name)
 * docker-store:D   docker-store:D:docker.io/library/app:1     (D:x:2 is D:x:2, D:x/ a prefix)
 * docker-daemon:x  docker-daemon:x                  (docker-daemon: takes the reference, as archives do; x/ is a prefix)
 * registry-fs:R    registry-fs:R:library/app:1      (R:x:2 is R:x:2, R:x/ a prefix)
 * dir:D            dir:D                            (D/ is a prefix: the folder D/library/app:1)
 * store:x:2        store:x:2
 * store:           store:docker.io/library/app:1    (store:x/ is a prefix)
 * ```
 *
 * An image that refers to another one of the stream goes beside it:
 *
 * ```
 * docker://h/x:2   docker://h/x@DIGEST              or its own tag; store: and registry-fs: as well
 * oci:DIR:name     oci:DIR                          an entry without a name, or its own tag; oci-archive: as well
 * ```
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { parseOci, parsePlace } from '@pipelayer/places'
import { formatReference, parseNormalized, parseReference, withDefaultTag } from '@pipelayer/reference'

/** Places that are one file for many images. */
const ARCHIVES = new Set(['docker-archive', 'oci-archive'])
/** The folder of a Docker engine. */
const ENGINE_FOLDER = 'docker-store'
/** An engine gets all images in one archive, too, but that has no file. */
const ENGINE = 'docker-daemon'

/** What is known about an image that is to be put. */
export interface Named {
  readonly reference?: string
  /** The image refers to another image of the stream (its subject), and is put into the same repository. */
  readonly subject?: unknown
  /** The digest of its manifest or index. */
  readonly digest?: string
}

/**
 * The place for one image.
 *
 * @param place - as on the command line
 * @param image - its own reference; one with a subject keeps its tag or digest, in the repository of the place
 * @throws ToolError `PLACE_MISSING` when neither names one; `PLACE_INVALID`, `REFERENCE_INVALID`
 */
export function targetOf(place: string | undefined, image: Named): string {
  const { reference, subject } = image
  if (place !== undefined && subject !== undefined && !takesMany(place)) return beside(place, image)
  if (place === undefined) return `docker://${needed(reference, 'to put it anywhere: give a PLACE')}`
  const { transport, rest } = parsePlace(place)
  if (transport === 'oci') return ociTarget(rest, reference)
  // A folder has a name, which no image can give.
  if (transport === 'dir' && !rest.endsWith('/')) return place
  if (ARCHIVES.has(transport)) return archiveTarget(transport, rest, reference)
  if (isWholeEngine(transport, rest)) {
    const root = rest.replace(/(?<=.)\/+$/, '')
    return reference === undefined ? `${transport}:${root}` : `${transport}:${root}:${reference}`
  }
  if (transport === ENGINE && rest === '') return `${ENGINE}:${tagged(reference) ?? ''}`
  if (isWholeFolder(transport, rest))
    return `${transport}:${rest.replace(/(?<=.)\/+$/, '')}:${pathOf(place, reference)}`
  if (rest === '') return `${transport}:${needed(reference, `for ${place}`)}`
  if (!rest.endsWith('/')) return place
  return `${transport}:${rest}${pathOf(place, reference)}`
}

// The image is put into the repository of the place, under its own tag or digest. A layout has entries without a name, so
// that no digest is needed there.
function beside(place: string, { reference, digest }: Named): string {
  const { transport, rest } = parsePlace(place)
  const own = reference === undefined ? { digest } : parseNormalized(reference)
  const version = {
    ...('tag' in own && { tag: own.tag }),
    ...(own.digest !== undefined && { digest: own.digest }),
  }
  const named = (name: string): string => {
    const { domain, path } = parseNormalized(name)
    return formatReference({ domain, path, ...version })
  }
  if (transport === 'docker') return `docker://${named(rest.replace(/^\/\//, ''))}`
  if (transport === 'store') return `store:${named(rest)}`
  if (transport === 'registry-fs') {
    const [root = ''] = rest.split(':', 1)
    const { domain, path } = parseReference(rest.slice(root.length + 1))
    return `registry-fs:${root}:${formatReference({ ...(domain !== undefined && { domain }), path, ...version })}`
  }
  if (transport === 'oci' || ARCHIVES.has(transport)) {
    const { directory, tag = '' } = parseOci(rest, transport)
    if (version.tag === undefined) return `${transport}:${directory}`
    return `${transport}:${directory}:${tag.includes('/') ? named(tag) : version.tag}`
  }
  return place
}

/** True for a place that takes many images in one archive. */
export function isArchive(place: string | undefined): boolean {
  if (place === undefined) return false
  const { transport } = parsePlace(place)
  return transport === ENGINE || ARCHIVES.has(transport)
}

/** True for a place that takes images one after the other: what it gets of one depends on those before. */
export function isSerial(place: string | undefined): boolean {
  return isArchive(place) || (place !== undefined && parsePlace(place).transport === ENGINE_FOLDER)
}

/** True when every image of a stream gets a place of its own. */
export function takesMany(place: string | undefined): boolean {
  if (place === undefined) return true
  const { transport, rest } = parsePlace(place)
  if (place.endsWith('/') && !ARCHIVES.has(transport)) return true
  if (ARCHIVES.has(transport)) return isOpenArchive(transport, rest)
  if (transport === 'dir') return false
  return transport === 'oci'
    ? isOpen(rest)
    : rest === '' || isWholeFolder(transport, rest) || isWholeEngine(transport, rest)
}

function ociTarget(rest: string, reference: string | undefined): string {
  if (!isOpen(rest)) return `oci:${rest}`
  const { directory } = parseOci(rest)
  return reference === undefined ? `oci:${directory}` : `oci:${directory}:${reference}`
}

function archiveTarget(transport: string, rest: string, reference: string | undefined): string {
  const name = isOpenArchive(transport, rest) ? tagged(reference) : undefined
  if (name === undefined) return `${transport}:${rest}`
  return `${transport}:${parseOci(rest, transport).directory}:${name}`
}

// The names in an archive are tags. One that pins a digest and has no tag is left out, as `docker save` does.
function tagged(reference: string | undefined): string | undefined {
  if (reference === undefined) return undefined
  const { domain, path, tag, digest } = parseNormalized(reference)
  if (tag === undefined && digest !== undefined) return undefined
  return formatReference(withDefaultTag({ domain, path, ...(tag !== undefined && { tag }) }))
}

// An archive that was named without an image. It takes each image under the image's own name.
function isOpenArchive(transport: string, rest: string): boolean {
  const { tag, index, digest } = parseOci(rest, transport)
  return tag === undefined && index === undefined && digest === undefined
}

// The folder of a registry, named without a repository.
function isWholeFolder(transport: string, rest: string): boolean {
  return transport === 'registry-fs' && rest !== '' && !rest.includes(':')
}

// The folder of an engine, named without an image. It takes each image under its own name, or without one.
function isWholeEngine(transport: string, rest: string): boolean {
  return transport === ENGINE_FOLDER && rest !== '' && !rest.includes(':')
}

// The reference of the image without its domain.
function pathOf(place: string, reference: string | undefined): string {
  const { path, tag, digest } = withDefaultTag(parseNormalized(needed(reference, `below ${place}`)))
  return formatReference({ path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) })
}

// A layout that was named without an image. It takes each image under the image's own name.
function isOpen(rest: string): boolean {
  const { tag, index, digest } = parseOci(rest)
  return tag === undefined && index === undefined && digest === undefined
}

/** True for `oci:DIR:@N`, `oci:DIR:@DIGEST` and the like, which say which image is read, and name none to write. */
export function isOnlyRead(place: string): boolean {
  const { transport, rest } = parsePlace(place)
  if (transport !== 'oci' && !ARCHIVES.has(transport)) return false
  const { index, digest } = parseOci(rest, transport)
  return index !== undefined || digest !== undefined
}

function needed(reference: string | undefined, why: string): string {
  if (reference !== undefined) return reference
  throw new ToolError('PLACE_MISSING', `the image has no reference ${why}`)
}
