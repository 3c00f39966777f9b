/**
 * Keeps broken downloads, so that the next try can go on.
 *
 * ```
 * partial/sha256-<hex>     the first bytes of the blob; locked while a process writes it
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

/** How often to check whether another process still writes a blob. */
const LOOK_MS = 100

/** The part of the store that a download needs. */
export interface PartialHome {
  readonly root: string
  hasBlob(digest: Digest, sizeBytes?: number): boolean
  placeOf(digest: Digest): string
  blobWriter(expected?: ExpectedBlob): BlobWriter
}

/** The path for the first bytes of a blob. */
export function partialName(root: string, digest: Digest): string {
  return path.join(areaFolder(root, 'partial'), `${algorithmOf(digest)}-${encodedOf(digest)}`)
}

/**
 * See `Store.resumeBlob`. Where locks are not available, nothing is kept, since two writers would spoil each other's
 * file.
 */
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
 * Writes a blob to a file of the user's, in an existing folder. The file gets its name only when it is complete. Until
 * then its first bytes have a hidden name beside it, where the next try goes on. While another process writes the same
 * file, this waits.
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

// Undefined when the blob is complete, perhaps by the process that had the file before.
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
    // An aborted signal is handled above, which throws its reason.
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
