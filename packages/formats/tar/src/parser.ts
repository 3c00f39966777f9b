/**
 * Reads an archive that comes in chunks of any size.
 *
 * Where lenient readers disagree about an archive, an attacker can show one of them another file than the next, so this
 * parser refuses it. Otherwise it reads as Go archive/tar does, since Docker, containerd and podman read layers with
 * that:
 *
 * - PAX `size` decides over the header's, for the entry and for where the next header stands.
 * - PAX and GNU long names hold for the next entry only; none may follow at the end, or before a global header.
 * - Global PAX headers are reported and not applied.
 * - Links, directories and devices have no content, whatever size they state.
 * - Two zero blocks end the archive, and what follows is ignored. Without them the end of input ends it, even where the
 *   last padding is missing too. A single zero block ends it as well, but a header after that block is an error, since
 *   npm's readers would go on there.
 *
 * Spec: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Tar Internals".
 *
 * @module
 */
import { BLOCK_SIZE, FIELDS, isZeroBlock, paddingSize } from './block.js'
import type { ReadEntry } from './entry.js'
import { at, FieldError, invalid, type TarPlace, truncated } from './errors.js'
import type { TarEvent, TarParserOptions } from './event.js'
import { decodeHeader, type RawHeader } from './header.js'
import { Input } from './input.js'
import { checkEntry, mergeEntry, type Overrides } from './merge.js'
import { numberAt } from './numeric.js'
import { MAX_SPECIAL_SIZE, parsePax } from './pax.js'
import {
  addGnuPairs,
  checkMap,
  parseMapRecords,
  paxSparseEntry,
  paxSparseVersion,
  SparseLines,
  type SparseMap,
} from './sparse.js'

/** The parser as a coroutine, which yields an event, or undefined to ask for more input. */
type Steps<T> = Generator<TarEvent | undefined, T, void>

interface Content {
  readonly entry: ReadEntry
  /** Bytes in the archive, without a sparse map in front of them. */
  readonly stored: number
  readonly map?: SparseMap | undefined
}

/** Bytes of the largest chunk of zeros. */
const ZEROS = Buffer.alloc(1 << 16)

/**
 * A push parser; it holds at most one header of 1 MiB in memory, and a sparse map.
 *
 *     for await (const chunk of source) for (const event of parser.push(chunk)) ...
 *     parser.finish()
 *
 * Errors: TAR_INVALID, TAR_TRUNCATED, both with the byte offset and the entry. After one, every call throws it again.
 */
export class TarParser {
  readonly #input = new Input()
  readonly #steps = this.#archive()
  readonly #raw: boolean
  readonly #holes: 'zeros' | 'events'
  #overrides: Overrides = {}
  #place: TarPlace = { offset: 0 }
  #failure: unknown

  constructor(options: TarParserOptions = {}) {
    this.#raw = options.raw ?? false
    this.#holes = options.holes ?? 'zeros'
  }

  /**
   * Yields the events that `chunk` completes. The chunk is read as far as the caller iterates; the next call goes on
   * from there. After the end of the iteration the chunk's memory may be used again.
   */
  *push(chunk: Buffer): Generator<TarEvent, void, void> {
    this.#input.add(chunk)
    yield* this.#run()
    this.#input.detach()
  }

  /** Ends the input; throws TAR_TRUNCATED where the archive is not complete. Idempotent. */
  finish(): void {
    this.#input.ended = true
    for (const _ of this.#run());
  }

  *#run(): Generator<TarEvent, void, void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      for (;;) {
        const step = this.#steps.next()
        if (step.done || step.value === undefined) return
        yield step.value
      }
    } catch (error) {
      this.#failure = error
      throw error
    }
  }

  *#archive(): Steps<void> {
    for (;;) {
      this.#place = { offset: this.#input.offset }
      const block = yield* this.#header()
      if (block === undefined) break
      const header = at(this.#place, () => decodeHeader(block))
      this.#place = { offset: this.#place.offset, name: header.name }
      if (!(yield* this.#special(header))) yield* this.#entry(header, block)
    }
    if (this.#isPending()) throw truncated('it ends after a header that belongs to an entry', this.#place)
    yield* this.#trailing()
  }

  /** The next header block; undefined at the end of the archive. */
  *#header(): Steps<Buffer | undefined> {
    const block = yield* this.#blockOrEnd()
    if (block === undefined || !isZeroBlock(block)) return block
    const second = yield* this.#blockOrEnd()
    if (second !== undefined && isHeader(second)) {
      throw invalid('a header follows a lone zero block', this.#place)
    }
    return undefined
  }

  *#blockOrEnd(): Steps<Buffer | undefined> {
    while (this.#input.size === 0) {
      if (this.#input.ended) return undefined
      yield undefined
    }
    return yield* this.#take(BLOCK_SIZE)
  }

  /** Reads a header that is not an entry; false if it is one. */
  *#special(header: RawHeader): Steps<boolean> {
    switch (header.typeflag) {
      case 'g':
        if (this.#isPending())
          throw invalid('a global header follows one that belongs to an entry', this.#place)
        yield { type: 'global', pax: parsed(yield* this.#specialBody(header), this.#place) }
        return true
      // Solaris wrote X before POSIX had x.
      case 'x':
      case 'X':
        this.#overrides = { ...this.#overrides, pax: parsed(yield* this.#specialBody(header), this.#place) }
        return true
      case 'L':
        this.#overrides = { ...this.#overrides, longName: untilNul(yield* this.#specialBody(header)) }
        return true
      case 'K':
        this.#overrides = { ...this.#overrides, longLink: untilNul(yield* this.#specialBody(header)) }
        return true
      default:
        return false
    }
  }

  *#specialBody(header: RawHeader): Steps<Buffer> {
    const { size } = header
    if (size < 0) throw invalid(`size ${size} is negative`, this.#place)
    if (size > MAX_SPECIAL_SIZE) {
      throw invalid(`a header of ${size} bytes is longer than ${MAX_SPECIAL_SIZE}`, this.#place)
    }
    const body = yield* this.#take(size + paddingSize(size))
    return body.subarray(0, size)
  }

  *#entry(header: RawHeader, block: Buffer): Steps<void> {
    const overrides = this.#overrides
    this.#overrides = {}
    const { offset } = this.#place
    const merged = at(this.#place, () => mergeEntry(header, overrides, offset))
    this.#place = { offset, name: merged.name }
    const content = yield* this.#content(merged, header, block)
    at(this.#place, () => checkEntry(content.entry))
    yield { type: 'entry', entry: content.entry, dataOffset: this.#input.offset }
    yield* this.#body(content)
    yield { type: 'end' }
    yield* this.#padding(merged.size)
  }

  /** Finds the sparse map, if the entry has one, and with it the true name and size. */
  *#content(entry: ReadEntry, header: RawHeader, block: Buffer): Steps<Content> {
    const stored = entry.size
    if (entry.typeflag === 'S') return yield* this.#gnuSparse(entry, header, block)
    const version = at(this.#place, () => paxSparseVersion(entry.pax))
    if (version === undefined) return { entry, stored }
    const whole = at(this.#place, () => paxSparseEntry(entry))
    if (version === '0') {
      const map = at(this.#place, () => checked(parseMapRecords(entry.pax), whole.size, stored))
      return { entry: whole, stored, map }
    }
    const { lines, size } = yield* this.#sparseLines(stored)
    const map = at(this.#place, () => checked(lines, whole.size, stored - size))
    return { entry: whole, stored: stored - size, map }
  }

  *#gnuSparse(entry: ReadEntry, header: RawHeader, block: Buffer): Steps<Content> {
    if (!header.gnu) throw invalid('a sparse file has no GNU header', this.#place)
    const map: number[] = []
    const size = at(this.#place, () => numberAt(block, FIELDS.gnuRealSize, 'real size'))
    let more = at(this.#place, () => addGnuPairs(map, block, 'header'))
    while (more) {
      const extension = yield* this.#take(BLOCK_SIZE)
      more = at(this.#place, () => addGnuPairs(map, extension, 'extension'))
    }
    at(this.#place, () => checkMap(map, size, entry.size))
    return { entry: { ...entry, size }, stored: entry.size, map }
  }

  *#sparseLines(stored: number): Steps<{ lines: SparseMap; size: number }> {
    const lines = new SparseLines()
    for (let size = BLOCK_SIZE; size <= stored; size += BLOCK_SIZE) {
      const block = yield* this.#take(BLOCK_SIZE)
      if (at(this.#place, () => lines.add(block))) return { lines: lines.map, size }
    }
    throw invalid('the sparse map is longer than the content', this.#place)
  }

  *#body(content: Content): Steps<void> {
    const { entry, stored, map } = content
    if (map === undefined || this.#raw) return yield* this.#data(stored)
    let position = 0
    for (let i = 0; i < map.length; i += 2) {
      const offset = map[i] ?? position
      yield* this.#hole(offset - position)
      yield* this.#data(map[i + 1] ?? 0)
      position = offset + (map[i + 1] ?? 0)
    }
    yield* this.#hole(entry.size - position)
  }

  *#data(size: number): Steps<void> {
    for (let left = size; left > 0; ) {
      const bytes = this.#input.upTo(left)
      left -= bytes.length
      if (bytes.length > 0) yield { type: 'data', bytes }
      else yield* this.#more(`${left} of ${size} bytes of content are missing`)
    }
  }

  *#hole(size: number): Steps<void> {
    if (size > 0 && this.#holes === 'events') return yield { type: 'hole', size }
    for (let left = size; left > 0; left -= ZEROS.length) {
      yield { type: 'data', bytes: left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS }
    }
  }

  /** umoci leaves out the last padding together with the end blocks. Go accepts that, since the content is whole. */
  *#padding(stored: number): Steps<void> {
    for (let left = paddingSize(stored); left > 0; ) {
      const bytes = this.#input.upTo(left)
      left -= bytes.length
      // Padding is given as it arrives: a part that was held back until the end of input would never be given.
      if (bytes.length > 0 && this.#raw) yield { type: 'raw', bytes }
      if (bytes.length > 0) continue
      if (this.#input.ended) return
      yield undefined
    }
  }

  *#trailing(): Steps<void> {
    for (;;) {
      const bytes = this.#input.upTo(Number.POSITIVE_INFINITY)
      if (bytes.length > 0 && this.#raw) yield { type: 'raw', bytes }
      if (bytes.length > 0) continue
      if (this.#input.ended) return
      yield undefined
    }
  }

  /** Exactly `size` bytes that are not content. */
  *#take(size: number): Steps<Buffer> {
    while (this.#input.size < size)
      yield* this.#more(`${this.#input.size} of ${size} bytes of a header or of padding`)
    const bytes = this.#input.read(size)
    if (this.#raw && size > 0) yield { type: 'raw', bytes }
    return bytes
  }

  *#more(missing: string): Steps<void> {
    if (this.#input.ended) throw truncated(`the archive ends inside an entry: ${missing}`, this.#place)
    yield undefined
  }

  #isPending(): boolean {
    return Object.keys(this.#overrides).length > 0
  }
}

/**
 * The events of an archive that comes from a stream.
 *
 * It costs about a microsecond for each event, so readers of many small files use {@link TarParser}.
 *
 * ```ts
 * for await (const event of readTar(fs.createReadStream('layer.tar')))
 *   if (event.type === 'entry') console.log(event.entry.name, event.entry.size)
 * ```
 */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  options: TarParserOptions = {},
): AsyncGenerator<TarEvent, void, void> {
  const parser = new TarParser(options)
  for await (const chunk of source) yield* parser.push(chunk)
  parser.finish()
}

/** Whether a block of 512 bytes is a header: its checksum is right, and its numbers are numbers. */
export function isHeader(block: Buffer): boolean {
  try {
    return !isZeroBlock(block) && decodeHeader(block) !== undefined
  } catch (error) {
    if (error instanceof FieldError) return false
    throw error
  }
}

function parsed(body: Buffer, place: TarPlace): ReadonlyMap<string, string> {
  return at(place, () => parsePax(body))
}

function untilNul(body: Buffer): string {
  const end = body.indexOf(0)
  return body.toString('latin1', 0, end < 0 ? body.length : end)
}

function checked(map: SparseMap, size: number, stored: number): SparseMap {
  checkMap(map, size, stored)
  return map
}
