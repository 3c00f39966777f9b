/**
 * The bytes of a layer's tar.
 *
 * @module
 */
import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'
import { type ChangeRecord, type EntryFields, nameOf } from '@pipelayer/records'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'
import { Chunks } from './chunks.js'
import { ListedCheck } from './listed-check.js'
import { bytesOf, quoted } from './name.js'
import { OrderCheck } from './order.js'
import { type TimeRules, tarEntryOf } from './tar-entry.js'
import type { ContentSource, PackOptions } from './types.js'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

/**
 * Changes as a tar, in chunks of 256 KiB. Files are read as they are met, synchronously.
 *
 * @param onEntry - told of each entry
 * @throws ToolError those of OrderCheck; `FILE_CHANGED` where a file is not what its change says: pack from a tree
 *   that nobody writes to
 */
export async function* tarBytes(
  changes: AsyncIterable<ChangeRecord>,
  rules: TimeRules & Pick<PackOptions, 'contents' | 'order'>,
  onEntry: () => void,
): AsyncGenerator<Buffer, void, void> {
  const order = rules.order === 'listed' ? new ListedCheck() : new OrderCheck()
  const chunks = new Chunks()
  for await (const change of changes) {
    const placed = order.check(change)
    const entry = tarEntryOf(placed, rules)
    chunks.add(encodeHeader(entry))
    if (change.entry?.type === 'file' && entry.size > 0) {
      if (change.entry.content !== undefined)
        yield* referred(change.entry, { size: entry.size, source: rules.contents, chunks })
      else yield* content(change.entry, entry.size, chunks)
    }
    onEntry()
    yield* chunks.take()
  }
  await rules.contents?.finish()
  chunks.add(END_BLOCKS)
  yield* chunks.take()
  yield chunks.rest()
}

/** Bytes that lie in a blob. */
async function* referred(
  entry: EntryFields,
  { size, source, chunks }: { size: number; source: ContentSource | undefined; chunks: Chunks },
): AsyncGenerator<Buffer, void, void> {
  if (source === undefined)
    throw new ToolError('CHANGE_INVALID', 'a file lies in a blob, and no blobs can be read')
  for await (const bytes of source.read(entry)) {
    chunks.add(bytes)
    yield* chunks.take()
  }
  chunks.add(padding(size))
}

function* content(entry: EntryFields, size: number, chunks: Chunks): Generator<Buffer, void, void> {
  const source = nameOf(entry, 'source')
  if (source === undefined) throw new ToolError('CHANGE_INVALID', 'a file that is not empty has no source')
  const fd = attempt(`read ${quoted(source)}`, () => openSource(source, size))
  try {
    for (let left = size; left > 0; ) {
      const read = attempt(`read ${quoted(source)}`, () => chunks.readFrom(fd, left))
      if (read === 0) throw changed(source, size, size - left)
      left -= read
      yield* chunks.take()
    }
  } finally {
    fs.closeSync(fd)
  }
  chunks.add(padding(size))
}

/** Not through a symlink, and without waiting where a fifo lies now. */
function openSource(source: string, size: number): number {
  const fd = fs.openSync(bytesOf(source), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  const stat = fs.fstatSync(fd)
  if (stat.isFile() && stat.size === size) return fd
  fs.closeSync(fd)
  throw changed(source, size, stat.size)
}

function changed(source: string, expected: number, actual: number): ToolError {
  return new ToolError(
    'FILE_CHANGED',
    `${quoted(source)} changed after it was listed: expected ${expected} bytes, got ${actual}`,
  )
}
