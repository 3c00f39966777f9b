/**
 * Downloads that broke.
 *
 * ```
 * partial/sha256-<hex>     the blob's bytes from its start, as far as they came; locked while somebody writes it
 * ```
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { algorithmOf, type Digest, encodedOf, parseDigest } from '@pipelayer/digest'
import { systemError } from '@pipelayer/errors'
import { isAvailable } from '@pipelayer/sys'
import { BlobWriter, type ExpectedBlob } from './blob-writer.js'
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

/** See `Store.resumeBlob`. Where no lock can be had, nothing is kept: two writers would spoil each other's file. */
export async function openPartial(
  home: PartialHome,
  expected: ExpectedBlob,
  signal?: AbortSignal,
): Promise<BlobWriter | undefined> {
  const digest = parseDigest(expected.digest)
  if (!isAvailable()) return home.blobWriter(expected)
  const temporary = path.join(home.root, 'partial', `${algorithmOf(digest)}-${encodedOf(digest)}`)
  for (;;) {
    signal?.throwIfAborted()
    if (home.hasBlob(digest, expected.size)) return undefined
    const fd = openLocked(temporary)
    if (fd !== undefined) {
      const writer = writerOf(home, expected, { temporary, fd })
      if (!home.hasBlob(digest, expected.size)) return writer
      writer.abort()
      return undefined
    }
    // The signal's own reason is thrown above.
    await sleep(LOOK_MS, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
  }
}

function writerOf(
  home: PartialHome,
  expected: ExpectedBlob,
  file: { readonly temporary: string; readonly fd: number },
): BlobWriter {
  try {
    const place = (digest: Digest): string => home.placeOf(digest)
    return new BlobWriter({ ...file, expected, isKept: true, place, closed: () => undefined })
  } catch (error) {
    fs.closeSync(file.fd)
    throw systemError(error, `read "${file.temporary}"`)
  }
}
