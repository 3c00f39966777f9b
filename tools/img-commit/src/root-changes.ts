/**
 * Compares a directory with an image, which need not be unpacked.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { diffImages, diffTrees, ImageTree, listLayer } from '@pipelayer/change-set'
import { attempt, ToolError } from '@pipelayer/errors'
import { layerBlob, type OpenBlob } from '@pipelayer/layer-blob'
import { type AnyRecord, type ChangeRecord, type LayerRecord, nameOf } from '@pipelayer/records'

export interface AgainstOptions {
  /** Opens blobs whose record has no path that leads to them. */
  readonly open: OpenBlob
  readonly signal: AbortSignal
  readonly onWarning?: (message: string) => void
}

/** After this many entries, signals are handled, since the disk is read synchronously. */
const PAUSE_EVERY = 256
const READ_BYTES = 1 << 18

/**
 * The changes that turn the image of `records` into the tree in `root`. The contents of files are compared where all
 * else is equal. Memory: about half a kilobyte for each entry of both.
 *
 * @throws ToolError those of `layerBlob`, `listLayer`, `ImageTree` and `diffTrees`
 */
export async function changesAgainst(
  records: readonly AnyRecord[],
  root: string,
  options: AgainstOptions,
): Promise<Iterable<ChangeRecord>> {
  const image = new ImageTree()
  // A wrong directory is told before gigabytes of layers are read.
  const entries = diffTrees(undefined, root, options)
  const first = entries.next()
  for (const record of records) {
    if (record.type === 'layer') await applyLayer(image, record as LayerRecord, options)
  }
  const tree = new ImageTree()
  tree.nextLayer()
  let count = 0
  for (let next = first; next.done !== true; next = entries.next()) {
    tree.apply({ change: next.value, sum: sumOf(next.value, image) })
    if (++count % PAUSE_EVERY !== 0) continue
    await setImmediate()
    options.signal.throwIfAborted()
  }
  return diffImages(image, tree)
}

async function applyLayer(
  image: ImageTree,
  record: LayerRecord,
  { open, signal, onWarning }: AgainstOptions,
): Promise<void> {
  const { digest, path, tar } = layerBlob(record, open)
  image.nextLayer()
  try {
    for await (const one of listLayer(tar(), { blob: { digest, path }, sums: true, onWarning, signal }))
      image.apply(one)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    const { code, status, message } = error
    throw new ToolError(code, `cannot read layer ${digest}: ${message}`, { cause: error, status })
  }
}

/** The hash of a file, if the image has a file of the same size and time there; any other file is a change anyway. */
function sumOf(change: ChangeRecord, image: ImageTree): string | undefined {
  const { entry } = change
  if (entry?.type !== 'file' || !entry.size) return undefined
  let node: ReturnType<ImageTree['root']['children']['get']> = image.root
  for (const name of (nameOf(change, 'path') ?? '').split('/'))
    node = node?.kind === 'dir' ? node.children.get(name) : undefined
  if (node?.kind !== 'leaf' || node.entry.size !== entry.size || node.entry.mtime !== entry.mtime)
    return undefined
  const source = nameOf(entry, 'source')
  return source === undefined ? undefined : sumOfFile(Buffer.from(source, 'latin1'))
}

function sumOfFile(file: Buffer): string {
  return attempt(`read "${file}"`, () => {
    const hash = createHash('sha256')
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    const fd = fs.openSync(file, 'r')
    try {
      for (let n = fs.readSync(fd, buffer); n > 0; n = fs.readSync(fd, buffer))
        hash.update(buffer.subarray(0, n))
      return hash.digest('hex')
    } finally {
      fs.closeSync(fd)
    }
  })
}
