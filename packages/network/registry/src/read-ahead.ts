/**
 * Fetches several parts of one big blob at a time.
 *
 * ```
 * blob   [ probe ][ part ][ part ][ part ][ part ][ ... ]
 *                  given    on their way, in memory
 *                  out      until it is their turn
 * ```
 *
 * Many servers and networks limit the speed of each connection, and then several are faster. Where one connection is
 * fast enough, parts would only cost memory and requests. The speed of the first part, which is fetched alone, decides.
 *
 * @module
 */
import type { Descriptor } from '@pipelayer/oci'
import { BlobStream, RangesRefused } from './blob-stream.js'
import type { Session } from './session.js'

/** Smaller blobs are fetched by one request. */
const MIN_BYTES = 64 * 1024 * 1024
/** The size of the first part, which is fetched alone. */
const PROBE_BYTES = 8 * 1024 * 1024
const PART_BYTES = 4 * 1024 * 1024
/**
 * Parts that are fetched at a time, with 16 MiB of memory. A killed process loses no more than these: a 24th of 400 MB.
 */
const PARTS = 4
/** A connection of this speed is not the bottleneck. */
const FAST_BYTES_PER_MS = 50_000

/**
 * Sessions, or the state that they share, in which a blob is being read in parts. Only one blob is read so at a time,
 * which limits the memory.
 */
const busy = new WeakSet<object>()

/**
 * Fetches a blob from a position on and yields its bytes in order, unchecked. A transfer that breaks goes on where it
 * stopped.
 *
 * @param from - how many bytes the caller already has
 * @throws ToolError `BLOB_UNKNOWN`, `SIZE_MISMATCH` where the size is announced, `CONTENT_ENCODED`, `RANGE_INVALID`;
 * those of a refusal; status 75 when the registry does not answer
 */
export async function* streamBlob(
  session: Session,
  descriptor: Descriptor,
  from = 0,
): AsyncGenerator<Buffer, void, undefined> {
  if (from > 0 && from >= descriptor.size) return
  const stream = new BlobStream({ session, descriptor }, from)
  if (descriptor.size - from >= MIN_BYTES && !busy.has(session.memory)) {
    busy.add(session.memory)
    try {
      yield* inParts(session, descriptor, stream)
    } finally {
      busy.delete(session.memory)
    }
    return
  }
  yield* stream.readTo(descriptor.size - 1)
}

async function* inParts(
  session: Session,
  descriptor: Descriptor,
  stream: BlobStream,
): AsyncGenerator<Buffer, void, undefined> {
  const started = performance.now()
  const from = stream.position
  yield* stream.readTo(from + PROBE_BYTES - 1)
  if (stream.position === descriptor.size) return
  const rate = (stream.position - from) / (performance.now() - started)
  let position = stream.position
  if (rate < FAST_BYTES_PER_MS) {
    const ahead = new ReadAhead(session, descriptor, position)
    yield* ahead.read()
    position = ahead.position
  }
  if (position < descriptor.size) {
    yield* new BlobStream({ session, descriptor }, position).readTo(descriptor.size - 1)
  }
}

class ReadAhead {
  readonly #session: Session
  readonly #descriptor: Descriptor
  readonly #parts: Promise<readonly Buffer[]>[] = []
  /** Offset of the next part that was not asked for yet. */
  #next: number
  #stopped = false
  position: number

  constructor(session: Session, descriptor: Descriptor, from: number) {
    this.#session = session
    this.#descriptor = descriptor
    this.#next = from
    this.position = from
  }

  /** Yields the bytes. It ends early, at `position`, when the server stops serving ranges. */
  async *read(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        this.#fill()
        const part = this.#parts.shift()
        if (part === undefined) return
        for (const chunk of await part) {
          this.position += chunk.length
          yield chunk
        }
      }
    } catch (error) {
      if (!(error instanceof RangesRefused)) throw error
    } finally {
      this.#stopped = true
    }
  }

  #fill(): void {
    const { size } = this.#descriptor
    while (this.#parts.length < PARTS && this.#next < size) {
      const last = Math.min(this.#next + PART_BYTES, size) - 1
      const part = this.#fetch(this.#next, last)
      // A failure of the part is handled when its turn comes.
      part.catch(() => undefined)
      this.#parts.push(part)
      this.#next = last + 1
    }
  }

  async #fetch(first: number, last: number): Promise<readonly Buffer[]> {
    const chunks: Buffer[] = []
    const stream = new BlobStream(
      { session: this.#session, descriptor: this.#descriptor, exact: true },
      first,
    )
    for await (const chunk of stream.readTo(last)) {
      if (this.#stopped) break
      chunks.push(chunk)
    }
    return chunks
  }
}
