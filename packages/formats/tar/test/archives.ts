// Archives that are made by hand, independent of the code under test, and the events that a parser gives for them.
import {
  END_BLOCKS,
  encodeHeader,
  padding,
  type ReadEntry,
  type TarEntry,
  type TarEvent,
  TarParser,
  type TarParserOptions,
} from '../src/index.js'

export const BASE = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: { seconds: 0, nanoseconds: 0 } }

export interface Listed {
  readonly entry: ReadEntry
  readonly content: string
}

export function archive(entries: readonly (TarEntry & { data: Buffer })[]): Buffer {
  const parts = entries.flatMap(entry => [encodeHeader(entry), entry.data, padding(entry.data.length)])
  return Buffer.concat([...parts, END_BLOCKS])
}

export function eventsOf(
  bytes: Buffer,
  options: TarParserOptions = {},
  step = bytes.length || 1,
): TarEvent[] {
  const parser = new TarParser(options)
  const events: TarEvent[] = []
  for (let at = 0; at < bytes.length; at += step) events.push(...parser.push(bytes.subarray(at, at + step)))
  parser.finish()
  return events
}

export function copied(event: TarEvent): TarEvent {
  return event.type === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event
}

export function list(bytes: Buffer): Listed[] {
  return joined(eventsOf(bytes)) as Listed[]
}

/** Entries with their content, and global headers. */
export function joined(events: readonly TarEvent[]): unknown[] {
  const all: { entry: ReadEntry; content: string }[] = []
  for (const event of events) {
    if (event.type === 'entry') all.push({ entry: event.entry, content: '' })
    const last = all.at(-1)
    if (event.type === 'data' && last) last.content += event.bytes.toString('latin1')
  }
  return all
}

export function reassembled(bytes: Buffer, step: number): Buffer {
  const parts = eventsOf(bytes, { raw: true }, step).map(event =>
    event.type === 'raw' || event.type === 'data' ? event.bytes : Buffer.alloc(0),
  )
  return Buffer.concat(parts)
}

export interface RawOptions {
  readonly name?: string
  readonly flag?: string
  readonly link?: string
  readonly body?: string
  readonly sizeField?: string
  readonly magic?: string
  readonly gnu?: boolean
  readonly signed?: boolean
  /** Bytes from offset 386. */
  readonly extra?: string | undefined
}

/** A header that is made by hand, independent of the code under test. */
export function raw(options: RawOptions): Buffer {
  const { name = 'h', flag = '0', link = '', body = '', gnu = false, extra = '' } = options
  const block = Buffer.alloc(512)
  block.write(name, 0, 'latin1')
  block.write('0000644\x000000000\x000000000\0', 100, 'latin1')
  block.write(options.sizeField ?? octal(body.length, 12), 124, 'latin1')
  block.write('00000000000\0        ', 136, 'latin1')
  block.write(flag + link, 156, 'latin1')
  block.write(options.magic ?? (gnu ? 'ustar  \0' : 'ustar\x0000'), 257, 'latin1')
  block.write(extra, 386, 'latin1')
  const sum = block.reduce((all, byte) => all + (options.signed && byte > 127 ? byte - 256 : byte), 0)
  block.write(`${octal(sum, 7)} `, 148, 'latin1')
  return Buffer.concat([block, Buffer.from(body, 'latin1'), Buffer.alloc((512 - (body.length % 512)) % 512)])
}

export function file(name: string, body: string): Buffer {
  return raw({ name: binary(name), body })
}

export function binary(text: string): string {
  return Buffer.from(text).toString('latin1')
}

export function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`
}

export function base256(value: bigint, width: number): string {
  const hex = BigInt.asUintN(width * 8, value)
    .toString(16)
    .padStart(width * 2, '0')
  const field = Buffer.from(hex, 'hex')
  field[0] = (field[0] ?? 0) | 0x80
  return field.toString('latin1')
}

export function gnuSparse(pairs: readonly number[], size: number, more = false): string {
  const map = pairs
    .map(value => octal(value, 12))
    .join('')
    .padEnd(96, '\0')
  return `${map}${more ? '\x01' : '\0'}${octal(size, 12)}`
}

export function extension(pairs: readonly number[], more: boolean): string {
  return `${pairs
    .map(value => octal(value, 12))
    .join('')
    .padEnd(504, '\0')}${more ? '\x01' : '\0'}`.padEnd(512, '\0')
}

export function record(key: string, value: string | number): string {
  const rest = ` ${key}=${value}\n`
  const length = rest.length + String(rest.length + 2).length
  return `${length}${rest}`
}

export function sparse00(pairs: readonly number[], size: number): string {
  const map = pairs
    .map((value, i) => record(`GNU.sparse.${i % 2 === 0 ? 'offset' : 'numbytes'}`, value))
    .join('')
  return record('GNU.sparse.size', size) + record('GNU.sparse.numblocks', pairs.length / 2) + map
}

export function sparse01(name: string, map = '0,0', count = 1, size = 0): string {
  const head = record('GNU.sparse.major', 0) + record('GNU.sparse.minor', 1) + record('GNU.sparse.name', name)
  return (
    head +
    record('GNU.sparse.size', size) +
    record('GNU.sparse.numblocks', count) +
    record('GNU.sparse.map', map)
  )
}

export function sparse10(size: number): string {
  const head = record('GNU.sparse.major', 1) + record('GNU.sparse.minor', 0) + record('GNU.sparse.name', 's')
  return head + record('GNU.sparse.realsize', size)
}
