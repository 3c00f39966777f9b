import fs from 'node:fs'
import path from 'node:path'
import { compress, decompress } from '@pipelayer/compress'
import { type Digest, Hasher, verified } from '@pipelayer/digest'
import { attempt, ToolError } from '@pipelayer/errors'
import { assembleTar, splitTar } from '@pipelayer/tar-split'
import { fileBytes } from './files.js'
import { LayerTree, treeOfNew } from './layer-tree.js'

/**
 * Unpacks the plain tar of a layer in overlayfs's form: whiteouts as devices, opaque directories by an xattr.
 *
 * @param dir - empty
 * @param lowers - the unpacked layers below, nearest first
 */
export type Unpack = (tar: AsyncIterable<Buffer>, dir: string, lowers: readonly string[]) => Promise<void>

/** A layer that is whole and not published yet. */
export interface NewLayer {
  /** Becomes its folder in overlay2; the files are in `diff`. */
  readonly dir: string
  /** Its `tar-split.json.gz`. */
  readonly list: string
  /** Bytes of its files, as the engine counts them. */
  readonly size: number
}

export interface LayerSource {
  readonly diffID: Digest
  /** Opens the tar, plain or compressed; it is read twice. */
  open(): AsyncIterable<Buffer>
  readonly lowers: readonly string[]
  readonly unpack: Unpack
}

/**
 * Unpacks a layer, makes the list of its headers, and proves that both give the tar again, bit for bit, as the engine
 * puts it together for a push or `docker save`.
 *
 * @param dir - a new folder of a {@link Staging}
 * @throws ToolError `DIFF_ID_MISMATCH`: it is not the layer that the config names; `LAYER_UNSUPPORTED`: an engine could
 *   not give it back; those of unpacking
 */
export async function makeLayer(dir: string, source: LayerSource): Promise<NewLayer> {
  const { diffID, lowers, unpack } = source
  const tar = (): AsyncIterable<Buffer> => proven(decompress(source.open()), diffID)
  const diff = path.join(dir, 'diff')
  const list = path.join(dir, 'tar-split.json.gz')
  fs.mkdirSync(diff, { mode: 0o755 })
  await unpack(tar(), diff, lowers)
  const tree = LayerTree.open(diff)
  try {
    await writeList(list, compress(splitTar(tar(), treeOfNew(tree)), { format: 'gzip' }))
    await prove(assembleTar(fileBytes(list), tree), diffID)
  } finally {
    tree.close()
  }
  return { dir, list, size: sizeOf(diff) }
}

/** The size of a layer, as the engine counts it: each file once, directories not at all. */
function sizeOf(diff: string): number {
  const seen = new Set<bigint>()
  let total = 0
  const add = (folder: Buffer): void => {
    for (const name of fs.readdirSync(folder, 'buffer')) {
      const file = Buffer.concat([folder, Buffer.from('/'), name])
      const stat = fs.lstatSync(file, { bigint: true })
      if (stat.isDirectory()) add(file)
      else if (stat.size > 0n && !seen.has(stat.ino)) {
        if (stat.nlink > 1n) seen.add(stat.ino)
        total += Number(stat.size)
      }
    }
  }
  add(Buffer.from(diff))
  return total
}

async function* proven(tar: AsyncIterable<Buffer>, diffID: Digest): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* verified(tar, { digest: diffID })
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'DIGEST_MISMATCH') throw error
    throw new ToolError(
      'DIFF_ID_MISMATCH',
      `layer ${diffID} is another than the config names: ${error.message}`,
      {
        cause: error,
      },
    )
  }
}

async function writeList(file: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const fd = attempt(`write "${file}"`, () => fs.openSync(file, 'wx', 0o644))
  try {
    for await (const chunk of bytes)
      for (let done = 0; done < chunk.length; )
        done += attempt(`write "${file}"`, () => fs.writeSync(fd, chunk, done))
  } finally {
    fs.closeSync(fd)
  }
}

async function prove(tar: AsyncIterable<Buffer>, diffID: Digest): Promise<void> {
  const hasher = new Hasher()
  let cause: unknown
  try {
    for await (const chunk of tar) hasher.update(chunk)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    cause = error
  }
  if (cause === undefined && hasher.digest() === diffID) return
  const why = cause instanceof ToolError ? `: ${cause.message}` : ''
  const message = `no Docker engine could give layer ${diffID} back as it is, since two of its entries are one file${why}`
  throw new ToolError('LAYER_UNSUPPORTED', message, { cause })
}
