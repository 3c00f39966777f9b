/**
 * The bytes of a layer's tar.
 *
 * @module
 */

import fs from 'node:fs'
import { ListedCheck, OrderCheck } from '@pipelayer/change-set'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { type ChangeRecord, type EntryFields, nameOf } from '@pipelayer/records'
import { bytesOf, quoted } from '@pipelayer/rootfs'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'
import { type ChunkPool, Chunks } from './chunks.js'
import { type TimeRules, tarEntryOf } from './tar-entry.js'
import type { PackOptions } from './types.js'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants

type TarRules = TimeRules &
  Pick<PackOptions, 'contents' | 'order' | 'sourceRoots'> & { readonly pool: ChunkPool }

/**
 * Changes as a tar, in chunks of the pool. Files are read synchronously when their change comes: asynchronous calls
 * cost ten times as much for each file. Changes that are available without waiting cost no turn of the event loop.
 *
 * @param onEntry - called with each entry
 * @throws ToolError those of OrderCheck; `SOURCE_OUTSIDE` for a file outside of `sourceRoots`; `FILE_CHANGED` where a file is not what its change says: pack from a tree
 *   that nobody writes to
 */
export async function* tarBytes(
  changes: AsyncIterable<ChangeRecord> | Iterable<ChangeRecord>,
  rules: TarRules,
  onEntry: () => void,
): AsyncGenerator<Buffer, void, void> {
  const tar = new TarBytes(rules, onEntry)
  if (Symbol.asyncIterator in changes) for await (const change of changes) yield* tar.add(change)
  else for (const change of changes) yield* tar.add(change)
  await rules.contents?.finish()
  yield* tar.end()
}

class TarBytes {
  readonly #order: OrderCheck | ListedCheck
  readonly #chunks: Chunks
  readonly #rules: TarRules
  readonly #onEntry: () => void

  constructor(rules: TarRules, onEntry: () => void) {
    this.#order = rules.order === 'listed' ? new ListedCheck() : new OrderCheck()
    this.#rules = rules
    this.#chunks = new Chunks(rules.pool)
    this.#onEntry = onEntry
  }

  /** Adds an entry and yields the chunks that it fills. */
  add(change: ChangeRecord): Iterable<Buffer> | AsyncIterable<Buffer> {
    const entry = tarEntryOf(this.#order.check(change), this.#rules)
    this.#chunks.add(encodeHeader(entry))
    this.#onEntry()
    if (change.entry?.type !== 'file' || entry.size === 0) return this.#chunks.take()
    if (change.entry.content !== undefined) return this.#referred(change.entry, entry.size)
    return this.#content(change.entry, entry.size)
  }

  *end(): Generator<Buffer, void, void> {
    this.#chunks.add(END_BLOCKS)
    yield* this.#chunks.take()
    yield this.#chunks.rest()
  }

  /** Adds the bytes of a file that lies in a blob. */
  async *#referred(entry: EntryFields, size: number): AsyncGenerator<Buffer, void, void> {
    const { contents } = this.#rules
    if (contents === undefined)
      throw new ToolError('CHANGE_INVALID', 'a file lies in a blob, and no blobs can be read')
    for await (const bytes of contents.read(entry)) {
      this.#chunks.add(bytes)
      yield* this.#chunks.take()
    }
    this.#chunks.add(padding(size))
  }

  /** Adds the bytes of a file on disk. */
  *#content(entry: EntryFields, size: number): Generator<Buffer, void, void> {
    const source = nameOf(entry, 'source')
    if (source === undefined) throw new ToolError('CHANGE_INVALID', 'a file that is not empty has no source')
    const fd = openSource(source)
    try {
      checkSource(fd, source, this.#rules.sourceRoots)
      for (let left = size; left > 0; ) {
        const read = readInto(this.#chunks, source, { fd, left })
        if (read <= 0) throw changed(source, size, read < 0 ? 'more' : `${size - left}`)
        left -= read
        yield* this.#chunks.take()
      }
    } finally {
      fs.closeSync(fd)
    }
    this.#chunks.add(padding(size))
  }
}

/**
 * Opens a file without following a symlink, and without waiting for a FIFO that has replaced it. Such a FIFO gives no
 * bytes, so its size differs from the change's.
 */
function openSource(source: string): number {
  try {
    return fs.openSync(bytesOf(source), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    throw systemError(error, `read ${quoted(source)}`)
  }
}

// Checks the file that was opened and not its name, since a symlink on the way may be changed between a check and the
// opening.
function checkSource(fd: number, source: string, roots: readonly string[] | undefined): void {
  if (roots === undefined) return
  const real = attempt(`look where ${quoted(source)} lies`, () =>
    fs.readlinkSync(`/proc/self/fd/${fd}`, 'latin1'),
  )
  if (roots.some(root => real.startsWith(root === '/' ? root : `${Buffer.from(root).toString('latin1')}/`)))
    return
  throw new ToolError(
    'SOURCE_OUTSIDE',
    `cannot pack ${quoted(source)}: it lies outside of ${roots.join(', ')}`,
  )
}

function readInto(chunks: Chunks, source: string, { fd, left }: { fd: number; left: number }): number {
  try {
    return chunks.readFrom(fd, left)
  } catch (error) {
    throw systemError(error, `read ${quoted(source)}`)
  }
}

function changed(source: string, expected: number, actual: string): ToolError {
  return new ToolError(
    'FILE_CHANGED',
    `${quoted(source)} changed after it was listed: expected ${expected} bytes, got ${actual}`,
  )
}
