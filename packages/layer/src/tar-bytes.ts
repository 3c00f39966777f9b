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
import { bytesOf, quoted } from './name.js'
import { OrderCheck } from './order.js'
import { type TimeRules, tarEntryOf } from './tar-entry.js'

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
  rules: TimeRules,
  onEntry: () => void,
): AsyncGenerator<Buffer, void, void> {
  const order = new OrderCheck()
  const chunks = new Chunks()
  for await (const change of changes) {
    const placed = order.check(change)
    const entry = tarEntryOf(placed, rules)
    chunks.add(encodeHeader(entry))
    if (change.entry?.type === 'file' && entry.size > 0) yield* content(change.entry, entry.size, chunks)
    onEntry()
    yield* chunks.take()
  }
  chunks.add(END_BLOCKS)
  yield* chunks.take()
  yield chunks.rest()
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
