/**
 * The entries of a list, one JSON object a line, in the order of the tar:
 *
 * ```
 * {"type":2,"payload":BASE64,"position":0}                            bytes of the tar: headers, padding, its end
 * {"type":1,"name":"a","size":3,"payload":BASE64 of 8,"position":1}   a file: its content, and the CRC-64 of that
 * {"type":1,"name":"d/","payload":null,"position":3}                  any other entry, or an empty file
 * ```
 *
 * A name that is not UTF-8 is `name_raw`, in base64.
 *
 * Spec: vbatts/tar-split v0.12, tar/storage/entry.go.
 *
 * @module
 */
import { isUtf8 } from 'node:buffer'
import { ToolError } from '@pipelayer/errors'

/** Bytes of the tar as they are. */
interface Segment {
  readonly type: 'segment'
  readonly bytes: Buffer
}

/** An entry of the tar. Its content, if it has any, comes here in the tar. */
interface File {
  readonly type: 'file'
  /** As the tar has it; a binary string. */
  readonly name: string
  /** Bytes of content. */
  readonly size: number
  /** The checksum of the content, 8 bytes; undefined where there is none. */
  readonly crc: Buffer | undefined
}

export type SplitEntry = Segment | File

const FILE = 1
const SEGMENT = 2
const CRC_BYTES = 8
const NEWLINE = 10
/**
 * The longest line that is read. A segment has the padding of one file and the headers of the next, of which tar-split
 * reads 1 MiB at most; at the end of a tar it has 1 MiB, and base64 adds a third.
 */
const MAX_LINE = 16 * 1024 * 1024

/** Reads the lines of a list that comes in chunks. */
export class SplitLines {
  #rest: Buffer[] = []
  #size = 0
  #number = 0;

  /** The entries of the lines that `chunk` completes. @throws ToolError `TAR_SPLIT_INVALID` */
  *push(chunk: Buffer): Generator<SplitEntry, void, void> {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = this.#take(chunk.subarray(from, end))
      from = end + 1
      if (line.trim() !== '') yield parseEntry(line, this.#number)
    }
    this.#keep(Buffer.from(chunk.subarray(from)))
  }

  /** The entry of a last line without an end. @throws ToolError `TAR_SPLIT_INVALID`: the list was cut */
  *finish(): Generator<SplitEntry, void, void> {
    const line = this.#take(Buffer.alloc(0))
    if (line.trim() !== '') yield parseEntry(line, this.#number)
  }

  #take(last: Buffer): string {
    this.#keep(last)
    const line = Buffer.concat(this.#rest).toString('utf8')
    this.#rest = []
    this.#size = 0
    this.#number++
    return line
  }

  #keep(part: Buffer): void {
    this.#size += part.length
    if (this.#size > MAX_LINE) throw invalid(this.#number + 1, `it has more than ${MAX_LINE} bytes`)
    if (part.length > 0) this.#rest.push(part)
  }
}

/** A line of a list, with its end. @param position - the number of the entry, from 0 */
export function formatEntry(entry: SplitEntry, position: number): string {
  if (entry.type === 'segment')
    return `${JSON.stringify({ type: SEGMENT, payload: entry.bytes.toString('base64'), position })}\n`
  const { size, crc } = entry
  const bytes = Buffer.from(entry.name, 'latin1')
  const name = isUtf8(bytes) ? { name: bytes.toString('utf8') } : { name_raw: bytes.toString('base64') }
  const content = size === 0 ? {} : { size }
  const payload = crc === undefined ? null : crc.toString('base64')
  return `${JSON.stringify({ type: FILE, ...name, ...content, payload, position })}\n`
}

function parseEntry(line: string, number: number): SplitEntry {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw invalid(number, 'it is no JSON, or was cut', cause)
  }
  if (typeof value !== 'object' || value === null) throw invalid(number, 'it is no object')
  const { type, name, name_raw: raw, size, payload } = value as Readonly<Record<string, unknown>>
  const bytes = payload === null || payload === undefined ? undefined : base64(payload, number)
  if (type === SEGMENT) return { type: 'segment', bytes: bytes ?? Buffer.alloc(0) }
  if (type !== FILE) throw invalid(number, `it has the type ${JSON.stringify(type)}, which is not known`)
  return { type: 'file', name: nameOf(name, raw, number), ...contentOf(size ?? 0, bytes, number) }
}

function nameOf(name: unknown, raw: unknown, number: number): string {
  if (raw !== undefined && raw !== null) return base64(raw, number).toString('latin1')
  if (typeof name !== 'string' && name !== undefined) throw invalid(number, 'its name is no text')
  return Buffer.from(name ?? '', 'utf8').toString('latin1')
}

function contentOf(size: unknown, crc: Buffer | undefined, number: number): Pick<File, 'size' | 'crc'> {
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(number, `it has the size ${JSON.stringify(size)}`)
  if (size > 0 && crc?.length !== CRC_BYTES) throw invalid(number, 'it has no checksum of 8 bytes')
  return { size, crc: size > 0 ? crc : undefined }
}

function base64(value: unknown, number: number): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'base64')
  throw invalid(number, 'it has bytes that are no text')
}

function invalid(number: number, why: string, cause?: unknown): ToolError {
  return new ToolError('TAR_SPLIT_INVALID', `line ${number} of the list of headers: ${why}`, { cause })
}
