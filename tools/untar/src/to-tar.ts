/**
 * Writes a whole image as one tar: the layers are unpacked, and the resulting tree is packed.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { diffTrees } from '@pipelayer/change-set'
import { attempt } from '@pipelayer/errors'
import { type BlobSink, packChanges } from '@pipelayer/packing'
import type { AnyRecord } from '@pipelayer/records'
import { isOrphan, ownedName } from '@pipelayer/sys'
import { END_BLOCKS } from '@pipelayer/tar'
import { type UntarOptions, untar } from './index.js'

const PREFIX = 'untar'

/**
 * Unpacks the image into a temporary directory, checked as {@link untar} checks it, then gives the tree as a tar:
 * sorted, hard links kept, with nanoseconds and all xattrs. The first byte comes when the image is known to be
 * complete. A user who is not root cannot make files of other owners: in the tar, such entries belong to that user, and
 * a warning gives their number.
 */
export async function* untarToTar(
  records: AsyncIterable<AnyRecord>,
  options: Omit<UntarOptions, 'target'>,
): AsyncGenerator<Buffer, void, void> {
  const holder = attempt('make a temporary directory', () => makeHolder(os.tmpdir()))
  const remove = (): void => fs.rmSync(holder, { recursive: true, force: true })
  const forget = options.onExit?.(remove) ?? (() => {})
  try {
    const tree = path.join(holder, 'rootfs')
    for await (const _ of untar(records, { ...options, target: tree }));
    yield* tarOf(tree, options)
  } finally {
    remove()
    forget()
  }
}

// The name of the folder has the id of the process, so that the next run can remove the folder of a killed one.
function makeHolder(parent: string): string {
  for (const name of fs.readdirSync(parent))
    if (name.startsWith(`${PREFIX}.`) && isOrphan(name)) sweep(path.join(parent, name))
  const holder = path.join(parent, ownedName(PREFIX, randomBytes(6).toString('hex')))
  fs.mkdirSync(holder, { mode: 0o700 })
  return holder
}

// Any user can make such names in /tmp, so only directories that belong to us are removed.
function sweep(holder: string): void {
  const stat = fs.lstatSync(holder, { throwIfNoEntry: false })
  if (stat?.isDirectory() !== true || stat.uid !== process.geteuid?.()) return
  try {
    fs.rmSync(holder, { recursive: true, force: true })
  } catch {
    // Another run may be removing it too. If it cannot be removed, the image is unpacked all the same.
  }
}

async function* tarOf(
  tree: string,
  { onWarning }: Omit<UntarOptions, 'target'>,
): AsyncGenerator<Buffer, void, void> {
  const bytes = new PassThrough()
  const warn = onWarning === undefined ? {} : { onWarning }
  const packed = packChanges(diffTrees(undefined, tree, { allXattrs: true, ...warn }), () => sinkOf(bytes), {
    compress: { format: 'none' },
    mtimeNs: true,
  }).then(
    layer => {
      // For an image without a file nothing was written yet.
      if (layer === undefined) bytes.end(END_BLOCKS)
    },
    (error: Error) => void bytes.destroy(error),
  )
  yield* bytes as AsyncIterable<Buffer>
  await packed
}

function sinkOf(bytes: PassThrough): BlobSink {
  let size = 0
  return {
    async write(chunk) {
      size += chunk.length
      // The chunk is copied, because the packer may fill it anew before the reader of stdout has taken it.
      if (!bytes.write(Buffer.from(chunk))) await once(bytes, 'drain')
    },
    commit() {
      bytes.end()
      return { digest: '', size }
    },
    abort() {},
  }
}
