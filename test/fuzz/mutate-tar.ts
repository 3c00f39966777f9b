/**
 * Mutates archives in sensitive places: fields of headers, with a corrected checksum, and PAX records.
 *
 * @module
 */
import { blockMutators, byteMutators } from './mutate.js'
import type { Random } from './random.js'
import type { Mutator } from './target.js'

const BLOCK = 512
const NAMES = [
  '../canary/file',
  '/canary/file',
  'a/../../canary/file',
  '../../../../../../../../canary/file',
  '/proc/self/cwd/canary/file',
  '/proc/self/root/tmp/x',
  '.',
  '/',
  '/.',
  './',
  '..',
  '',
  'a',
  'a/b',
  'dir',
  'dir/',
  'dir/.wh.file',
  '.wh.',
  '.wh..',
  '.wh...',
  '.wh..wh..opq',
  'dir/.wh..wh..opq',
  '.wh.dir',
  '.wh..wh.plnk/1.2',
  'out/file',
  'out/.wh.file',
  'out/.wh..wh..opq',
  'up/canary/file',
  'abs/file',
  'C:../x',
  'a\\..\\..\\x',
  'new\nline',
  '\xff\xfe',
  'n'.repeat(100),
]
const NUMBERS = [
  '',
  '0',
  '1',
  '7',
  '777',
  '1000',
  '777777777777',
  '-1',
  '9',
  ' 12 ',
  '0\x001',
  'x',
  '\x80',
  `\x80${'\0'.repeat(4)}\x7f${'\xff'.repeat(6)}`,
  '\xff'.repeat(12),
  `\x80\0\0\0${'\0'.repeat(4)}${'\xff'.repeat(4)}`,
]
const FLAGS = [...'0123456789xXgLKSDMVNA\0\xff ']
const MAGICS = ['ustar\x0000', 'ustar  \0', '\0'.repeat(8), 'ustar\0\0\0']
const KEYS = [
  'path',
  'linkpath',
  'size',
  'uid',
  'gid',
  'mtime',
  'atime',
  'uname',
  'hdrcharset',
  'SCHILY.xattr.user.x',
  'SCHILY.xattr.trusted.overlay.opaque',
  'SCHILY.xattr.security.capability',
  'LIBARCHIVE.xattr.user.y',
  'GNU.sparse.map',
  'GNU.sparse.major',
  'GNU.sparse.minor',
  'GNU.sparse.name',
  'GNU.sparse.size',
  'GNU.sparse.realsize',
  'GNU.sparse.numblocks',
  'GNU.sparse.offset',
  'GNU.sparse.numbytes',
  'constructor',
  '__proto__',
]
const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '512',
  '1023',
  '4294967295',
  '4294967296',
  '9007199254740993',
  '-9223372036854775808',
  '1.5',
  '-0.000000001',
  '9'.repeat(40),
  '0,1',
  '0,1,1,1',
  '0,512,1024,512',
  'a\0b',
  '=',
  'y',
]

/** Name, first byte and width of the fields that are mutated. */
const FIELDS: readonly (readonly [string, number, number])[] = [
  ['name', 0, 100],
  ['mode', 100, 8],
  ['uid', 108, 8],
  ['gid', 116, 8],
  ['size', 124, 12],
  ['mtime', 136, 12],
  ['flag', 156, 1],
  ['name', 157, 100],
  ['magic', 257, 8],
  ['major', 329, 8],
  ['minor', 337, 8],
  ['name', 345, 155],
  ['sparse', 386, 12],
  ['sparse', 398, 12],
  ['extended', 482, 1],
  ['real size', 483, 12],
]

const changeField: Mutator = (input, random) => {
  const bytes = Buffer.from(input)
  const header = headerOf(bytes, random)
  if (header === undefined) return bytes
  const [name, offset, width] = random.pick(FIELDS)
  header.fill(0, offset, offset + width)
  header.write(valueOf(name, random, width), offset, width, 'latin1')
  fixChecksum(header)
  return bytes
}

/** Changes a byte of a header, and corrects the checksum. */
const changeHeader: Mutator = (input, random) => {
  const bytes = Buffer.from(input)
  const header = headerOf(bytes, random)
  if (header === undefined) return bytes
  header[random.below(BLOCK)] = random.below(256)
  fixChecksum(header)
  return bytes
}

/** Inserts a PAX header, or a long name of GNU, before another header. */
const insertSpecial: Mutator = (input, random) => {
  const at = random.pick(headersOf(input) ?? [0])
  const isLong = random.oneIn(4)
  const flag = isLong ? random.pick([...'LK']) : random.pick([...'xxxxg'])
  const body = isLong ? `${random.pick(NAMES)}\0` : records(random)
  const data = Buffer.from(body, 'latin1')
  const padding = Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)
  return Buffer.concat([input.subarray(0, at), special(flag, data.length), data, padding, input.subarray(at)])
}

/** Changes a digit in the text of a PAX header, such as a length, a size, or a sparse map. */
const changeDigit: Mutator = (input, random) => {
  const bytes = Buffer.from(input)
  const bodies = (headersOf(bytes) ?? []).filter(at =>
    'xg'.includes(String.fromCharCode(bytes[at + 156] ?? 0)),
  )
  if (bodies.length === 0) return bytes
  const start = random.pick(bodies) + BLOCK
  const digits = [...bytes.subarray(start, start + BLOCK).entries()].filter(([, byte]) => isDigit(byte))
  if (digits.length === 0) return bytes
  bytes[start + random.pick(digits)[0]] = 0x30 + random.below(10)
  return bytes
}

/** The mutators for archives. */
export const tarMutators: readonly Mutator[] = [
  ...byteMutators,
  ...blockMutators,
  ...Array<readonly Mutator[]>(3).fill([changeField, changeHeader, insertSpecial, changeDigit]).flat(),
]

/** Corrects the checksum of a header. */
export function fixChecksum(header: Buffer): void {
  header.write('        ', 148, 'latin1')
  const sum = header.subarray(0, BLOCK).reduce((all, byte) => all + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
}

function valueOf(name: string, random: Random, width: number): string {
  if (name === 'name') return random.pick(NAMES)
  if (name === 'flag') return random.pick(FLAGS)
  if (name === 'magic') return random.pick(MAGICS)
  const number = random.pick(NUMBERS)
  // A number in base 256 fills its field; an octal one is padded as most programs do.
  if ((number.charCodeAt(0) & 0x80) !== 0) return number.slice(0, width).padEnd(width, '\0')
  return random.oneIn(4) ? number : number.padStart(width - 1, '0')
}

function records(random: Random): string {
  const count = 1 + random.below(4)
  return Array.from({ length: count }, () => record(random)).join('')
}

function record(random: Random): string {
  const key = random.pick(KEYS)
  const isName = key.endsWith('path') || key.endsWith('.name')
  const rest = ` ${key}=${random.pick(isName ? NAMES : VALUES)}\n`
  const length = rest.length + String(rest.length + 2).length
  return `${random.oneIn(8) ? length + random.below(5) - 2 : length}${rest}`
}

function special(flag: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  header.write('././@Special', 0, 'latin1')
  header.write('0000644\x000000000\x000000000\0', 100, 'latin1')
  header.write(`${size.toString(8).padStart(11, '0')}\x0000000000000\0`, 124, 'latin1')
  header.write(flag, 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  fixChecksum(header)
  return header
}

function headerOf(bytes: Buffer, random: Random): Buffer | undefined {
  const headers = headersOf(bytes)
  if (headers === undefined) return undefined
  const at = random.pick(headers)
  return bytes.subarray(at, at + BLOCK)
}

/** The positions of headers, found by their sizes alone; undefined if there is none. */
function headersOf(bytes: Buffer): number[] | undefined {
  const found: number[] = []
  for (let at = 0; at + BLOCK <= bytes.length; ) {
    if (bytes[at] === 0 && bytes[at + 156] === 0) break
    found.push(at)
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8)
    at += BLOCK + (Number.isNaN(size) ? 0 : Math.ceil(Math.max(size, 0) / BLOCK) * BLOCK)
  }
  return found.length === 0 ? undefined : found
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}
