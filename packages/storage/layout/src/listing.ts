import fs from 'node:fs'
import path from 'node:path'
import { isDigest } from '@pipelayer/digest'
import { errnoOf, systemError } from '@pipelayer/errors'
import type { ExpectedBlob } from './blob-writer.js'

/** Every file `ALGORITHM/HEX` below a folder, in byte order. A file that is removed meanwhile is left out. */
export function* blobsBelow(folder: string): Generator<ExpectedBlob, void, undefined> {
  for (const algorithm of namesIn(folder)) {
    // Files that are not complete yet lie in a hidden folder.
    if (algorithm.startsWith('.')) continue
    for (const hex of namesIn(path.join(folder, algorithm))) {
      const blob = blobAt(path.join(folder, algorithm, hex), `${algorithm}:${hex}`)
      if (blob !== undefined) yield blob
    }
  }
}

/** Every file `ALGORITHM-HEX` in a folder, in byte order. Each holds the first bytes of a blob. */
export function* partialBlobsIn(folder: string): Generator<ExpectedBlob, void, undefined> {
  for (const name of namesIn(folder)) {
    const blob = blobAt(path.join(folder, name), name.replace('-', ':'))
    if (blob !== undefined) yield blob
  }
}

function blobAt(file: string, digest: string): ExpectedBlob | undefined {
  if (!isDigest(digest)) return undefined
  const found = fs.lstatSync(file, { throwIfNoEntry: false })
  return found?.isFile() ? { digest, size: found.size } : undefined
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}
