/**
 * Downloads that broke.
 *
 * ```
 * partial/sha256-<hex>     the blob's bytes from its start, as far as they came; locked while somebody writes it
 * ```
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { algorithmOf, type Digest, encodedOf, parseDigest } from '@pipelayer/digest'
import { attempt, systemError } from '@pipelayer/errors'
import { BlobWriter, type ExpectedBlob, type ProvenBlob } from '@pipelayer/layout'
import { isAvailable } from '@pipelayer/sys'
import { areaFolder } from './areas.js'
import { openLocked } from './locked-file.js'

/** How often a blob that another process writes is looked at. */
const LOOK_MS = 100

/** What a download needs of the store. */
export interface PartialHome {
  readonly root: string
  hasBlob(digest: Digest, sizeBytes?: number): boolean
  placeOf(digest: Digest): string
  blobWriter(expected?: ExpectedBlob): BlobWriter
}

/** Where the first bytes of a blob are kept. */
export function partialName(root: string, digest: Digest): string {
  return path.join(areaFolder(root, 'partial'), `${algorithmOf(digest)}-${encodedOf(digest)}`)
}

/** See `Store.resumeBlob`. Where no lock can be had, nothing is kept: two writers would spoil each other's file. */
export async function openPartial(
  home: PartialHome,
  expected: ExpectedBlob,
  options: { readonly signal?: AbortSignal | undefined; readonly proven?: ProvenBlob } = {},
): Promise<BlobWriter | undefined> {
  const digest = parseDigest(expected.digest)
  if (!isAvailable()) return home.blobWriter(expected)
  return firstWriter({
    ...options,
    temporary: partialName(home.root, digest),
    expected,
    isThere: () => home.hasBlob(digest, expected.size),
    place: () => home.placeOf(digest),
  })
}

/**
 * A blob to be written to a file of the user's, in a folder that is there: under its name only when it is whole, and
 * as far as it came, for the next try, under a hidden name beside it. While somebody else writes the same, this waits.
 */
export async function resumeFile(
  file: string,
  expected: ExpectedBlob,
  signal?: AbortSignal,
): Promise<BlobWriter> {
  const target = path.resolve(file)
  const digest = parseDigest(expected.digest)
  const hidden = `.${path.basename(target)}.${encodedOf(digest).slice(0, 16)}`
  const temporary = path.join(path.dirname(target), hidden)
  attempt(`write "${file}"`, () => fs.accessSync(path.dirname(target), fs.constants.W_OK))
  const work = { temporary, expected, signal, isThere: () => false, place: () => target }
  const writer = isAvailable() ? await firstWriter(work) : undefined
  if (writer !== undefined) return writer
  const own = `${temporary}.${randomBytes(6).toString('hex')}`
  const fd = attempt(`write "${file}"`, () => fs.openSync(own, 'wx', 0o600))
  return new BlobWriter({ temporary: own, fd, expected, place: () => target, closed: () => undefined })
}

interface Work {
  readonly temporary: string
  readonly expected: ExpectedBlob
  readonly signal?: AbortSignal | undefined
  readonly proven?: ProvenBlob
  isThere(): boolean
  place(): string
}

// Undefined when the work is done, perhaps by the one who had the file before us.
async function firstWriter(work: Work): Promise<BlobWriter | undefined> {
  const { temporary, signal } = work
  for (;;) {
    signal?.throwIfAborted()
    if (work.isThere()) return undefined
    const fd = openLocked(temporary)
    if (fd !== undefined) {
      const writer = writerOf(work, fd)
      if (!work.isThere()) return writer
      writer.abort()
      return undefined
    }
    // The signal's own reason is thrown above.
    await sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }
}

function writerOf({ temporary, expected, proven, place }: Work, fd: number): BlobWriter {
  try {
    return new BlobWriter({ temporary, fd, expected, proven, isKept: true, place, closed: () => undefined })
  } catch (error) {
    fs.closeSync(fd)
    throw systemError(error, `read "${temporary}"`)
  }
}
