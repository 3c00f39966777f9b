/**
 * One header block, decoded as it stands, without what PAX and GNU headers before it say.
 *
 * @module
 */
import { isAscii } from 'node:buffer'
import { FIELDS, GNU_MAGIC, isChecksum, rawAt, STAR_TRAILER, textAt, USTAR_MAGIC } from './block.js'
import type { TarFormat, TarTime } from './entry.js'
import { FieldError } from './errors.js'
import { numberAt } from './numeric.js'

export interface RawHeader {
  readonly name: string
  readonly linkname: string
  readonly typeflag: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: TarTime
  readonly uname: string
  readonly gname: string
  readonly devmajor: number
  readonly devminor: number
  readonly atime: TarTime | undefined
  readonly ctime: TarTime | undefined
  readonly format: TarFormat
  /** Whether the block has GNU's layout, which old GNU sparse files need. */
  readonly gnu: boolean
}

interface Extension {
  readonly format: TarFormat
  readonly prefix: string
  readonly atime: TarTime | undefined
  readonly ctime: TarTime | undefined
}

/** Fields for numbers, which in a strict ustar header end with a NUL. */
const NUMBERS = [
  FIELDS.size,
  FIELDS.mode,
  FIELDS.uid,
  FIELDS.gid,
  FIELDS.mtime,
  FIELDS.devmajor,
  FIELDS.devminor,
] as const

/**
 * Decodes a header block.
 *
 * @throws FieldError where the checksum or a number is wrong.
 */
export function decodeHeader(block: Buffer): RawHeader {
  if (!isChecksum(block, numberAt(block, FIELDS.checksum, 'checksum')))
    throw new FieldError('checksum is wrong')
  const magic = rawAt(block, FIELDS.magic)
  const ustar = magic.startsWith(USTAR_MAGIC)
  const gnu = magic === GNU_MAGIC
  const extended = ustar || gnu
  const extension = ustar ? ustarExtension(block) : gnu ? gnuExtension(block) : V7
  const { prefix, format, atime, ctime } = extension
  const name = textAt(block, FIELDS.name)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkname: textAt(block, FIELDS.linkname),
    typeflag: rawAt(block, FIELDS.typeflag),
    mode: numberAt(block, FIELDS.mode, 'mode'),
    uid: numberAt(block, FIELDS.uid, 'uid'),
    gid: numberAt(block, FIELDS.gid, 'gid'),
    size: numberAt(block, FIELDS.size, 'size'),
    mtime: seconds(numberAt(block, FIELDS.mtime, 'mtime')),
    uname: extended ? textAt(block, FIELDS.uname) : '',
    gname: extended ? textAt(block, FIELDS.gname) : '',
    devmajor: extended ? numberAt(block, FIELDS.devmajor, 'devmajor') : 0,
    devminor: extended ? numberAt(block, FIELDS.devminor, 'devminor') : 0,
    atime,
    ctime,
    format,
    gnu,
  }
}

const V7: Extension = { format: 'v7', prefix: '', atime: undefined, ctime: undefined }

function ustarExtension(block: Buffer): Extension {
  if (rawAt(block, FIELDS.starTrailer) !== STAR_TRAILER) {
    const format = isStrictUstar(block) ? 'ustar' : 'unknown'
    return { format, prefix: textAt(block, FIELDS.prefix), atime: undefined, ctime: undefined }
  }
  return {
    format: 'star',
    prefix: textAt(block, FIELDS.starPrefix),
    atime: seconds(numberAt(block, FIELDS.starAtime, 'atime')),
    ctime: seconds(numberAt(block, FIELDS.starCtime, 'ctime')),
  }
}

/**
 * A GNU header has times where ustar has the prefix. Go before 1.8 wrote a prefix into headers that it marked as GNU's:
 * ASCII text that is no number in the place of the times is such a prefix.
 */
function gnuExtension(block: Buffer): Extension {
  try {
    return { format: 'gnu', prefix: '', atime: gnuTime(block, 'atime'), ctime: gnuTime(block, 'ctime') }
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    const prefix = textAt(block, FIELDS.prefix)
    const isText = /^[\0-\x7f]*$/.test(prefix)
    return { format: 'unknown', prefix: isText ? prefix : '', atime: undefined, ctime: undefined }
  }
}

function gnuTime(block: Buffer, which: 'atime' | 'ctime'): TarTime | undefined {
  const field = which === 'atime' ? FIELDS.gnuAtime : FIELDS.gnuCtime
  return block[field[0]] === 0 ? undefined : seconds(numberAt(block, field, which))
}

/** POSIX allows only ASCII in a ustar block, and wants a NUL after each number. */
function isStrictUstar(block: Buffer): boolean {
  if (NUMBERS.some(([offset, width]) => block[offset + width - 1] !== 0)) return false
  return isAscii(block)
}

function seconds(value: number): TarTime {
  return { seconds: value, nanoseconds: 0 }
}
