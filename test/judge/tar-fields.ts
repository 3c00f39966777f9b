/**
 * Judges the fields of tar headers: numbers, PAX records and times, and the limits of a header.
 *
 * @module
 */
import {
  END_BLOCKS,
  encodeHeader,
  fitsInOctal,
  formatOctal,
  formatPaxRecord,
  formatPaxTime,
  padding,
  parseNumeric,
  parsePax,
  parsePaxRecord,
  parsePaxTime,
  paxRecords,
  type ReadEntry,
  type TarEntry,
  TarParser,
  type TarTime,
} from '@pipelayer/tar'
import { differences, goTime, type Row, type Verdict } from './tar-go.js'

const NO_BASE_256 = 'policy:tar-no-base-256'

/** Bytes of a JSON text, or of `{hex}`. */
function bytesOf(value: string | { hex: string }): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.hex, 'hex')
}

/** Runs `work`. The row passes if it fails as expected, or gives the expected result. */
function expecting(ok: boolean, work: () => true | string): Verdict {
  let outcome: true | string
  try {
    outcome = work()
  } catch (error) {
    return ok ? { fail: String(error) } : 'pass'
  }
  if (!ok) return { fail: 'accepted' }
  return outcome === true ? 'pass' : { fail: outcome }
}

function equal(got: unknown, want: unknown): true | string {
  return String(got) === String(want) || `got ${String(got)}, not ${String(want)}`
}

function numeric(row: Row): Verdict {
  const { in: given, want } = row
  switch (given.fn) {
    case 'ParseNumeric':
      return expecting(want.ok, () => equal(parseNumeric(bytesOf(given.in)), want.want))
    case 'FormatNumeric':
      return formatNumeric(given.in, bytesOf(want.want), want.ok)
    case 'FitsInOctal':
      return expecting(true, () => equal(fitsInOctal(Number(given.input), given.width), want.ok))
    case 'FitsInBase256':
      return NO_BASE_256
    case 'ParsePAXTime':
      return expecting(want.ok, () => equal(timeText(parsePaxTime(given.in)), timeText(goTime(want.want))))
    case 'FormatPAXTime':
      return expecting(true, () =>
        equal(formatPaxTime(goTime({ unix: given.sec, ns: given.nsec })), want.want),
      )
    case 'ParsePAXRecord':
      return expecting(want.ok, () => paxRecord(bytesOf(given.in), want))
    case 'FormatPAXRecord':
      return expecting(want.ok, () => {
        const text = formatPaxRecord(binary(given.inKey), binary(given.inVal))
        return equal(text, binary(want.want))
      })
    default:
      return { fail: `unknown function ${given.fn}` }
  }
}

function formatNumeric(value: number | bigint, want: Buffer, ok: boolean): Verdict {
  if (!ok) return expecting(true, () => equal(fitsInOctal(Number(value), want.length || 8), false))
  if ((want[0] ?? 0) >= 0x80) return NO_BASE_256
  return expecting(true, () => equal(formatOctal(BigInt(value), want.length), want.toString('latin1')))
}

function paxRecord(body: Buffer, want: { wantKey: string; wantVal: string; wantRes: string }): true | string {
  const { key, value, end } = parsePaxRecord(body, 0)
  const got = [key, value, body.toString('latin1', end)]
  return equal(JSON.stringify(got), JSON.stringify([want.wantKey, want.wantVal, want.wantRes].map(binary)))
}

function paxBody(row: Row): Verdict {
  return expecting(row.want.ok, () => {
    const got = Object.fromEntries(parsePax(bytesOf(row.in.data)))
    return equal(sorted(got), sorted(binaryMap(row.want.records)))
  })
}

/** The PAX records before a plain header, read as an archive. */
function merge(row: Row): Verdict {
  const body = Object.entries(row.in.records as Record<string, string>).map(([key, value]) =>
    record(binary(key), binary(value)),
  )
  const text = Buffer.from(body.join(''), 'latin1')
  const head = Buffer.from(encodeHeader(plain({ name: 'x', size: text.length })))
  head.write('x', 156, 'latin1')
  head.write('        ', 148, 'latin1')
  head.write(
    `${formatOctal(
      head.reduce((a, b) => a + b, 0),
      7,
    )} `,
    148,
    'latin1',
  )
  const size = Math.max(0, Number(row.in.records.size ?? 0) || 0)
  const file = encodeHeader(plain({ name: 'plain' }))
  const archive = Buffer.concat([
    head,
    text,
    padding(text.length),
    file,
    Buffer.alloc(size),
    padding(size),
    END_BLOCKS,
  ])
  return expecting(row.want.ok, () => {
    const entry = firstEntry(archive)
    const want = { Name: 'plain', Typeflag: '0', Mode: 0, ...row.want.header }
    return differences(entry, want) ?? true
  })
}

function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const length = rest.length + String(rest.length + String(rest.length).length).length
  return `${length}${rest}`
}

function firstEntry(archive: Buffer): ReadEntry {
  const parser = new TarParser()
  const events = [...parser.push(archive)]
  parser.finish()
  const first = events.find(event => event.type === 'entry')
  if (first?.type !== 'entry') throw new Error('no entry')
  return first.entry
}

/** Which PAX records a header needs, and whether it can be written at all. */
function formats(row: Row): Verdict {
  const { header } = row.in
  const wanted: string[] = [row.want.formats].flat()
  if (header.Format !== undefined && header.Format !== 'pax') return 'policy:tar-pax-only'
  if (!Number.isSafeInteger(Number(header.ModTime?.unix ?? 0))) return 'policy:tar-exact-times'
  if (header.PAXRecords) return 'policy:tar-no-foreign-records'
  return expecting(wanted.includes('pax'), () => written(header, row.want.paxHdrs))
}

// biome-ignore lint/suspicious/noExplicitAny: a header as Go names its fields
function written(header: any, paxHdrs: Record<string, string> = {}): true | string {
  const entry: TarEntry = {
    name: binary(header.Name ?? ''),
    type: 'file',
    mode: Number(header.Mode ?? 0),
    uid: Number(header.Uid ?? 0),
    gid: Number(header.Gid ?? 0),
    size: Number(header.Size ?? 0),
    mtime: header.ModTime ? goTime(header.ModTime) : { seconds: 0, nanoseconds: 0 },
    linkname: binary(header.Linkname ?? ''),
    uname: binary(header.Uname ?? ''),
    gname: binary(header.Gname ?? ''),
    devmajor: Number(header.Devmajor ?? 0),
    devminor: Number(header.Devminor ?? 0),
    ...(header.AccessTime && { atime: goTime(header.AccessTime) }),
    ...(header.ChangeTime && { ctime: goTime(header.ChangeTime) }),
    xattrs: new Map(
      Object.entries(header.Xattrs ?? {}).map(([key, value]) => [binary(key), Buffer.from(String(value))]),
    ),
  }
  encodeHeader(entry)
  const got = Object.fromEntries(paxRecords(entry))
  delete got.hdrcharset
  return equal(sorted(got), sorted(binaryMap(paxHdrs)))
}

function plain(part: Partial<TarEntry>): TarEntry {
  return {
    name: 'f',
    type: 'file',
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    ...part,
  }
}

function sorted(map: Record<string, string>): string {
  return JSON.stringify(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function binaryMap(map: Record<string, string> | null | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).map(([key, value]) => [binary(key), binary(value)]))
}

function binary(text: string | { hex: string }): string {
  return bytesOf(text).toString('latin1')
}

function timeText(time: TarTime): string {
  return `${time.seconds}+${time.nanoseconds}`
}

export const adapters: Record<string, (row: Row) => Verdict> = {
  'go-archive-tar/numeric': numeric,
  'go-archive-tar/pax-records': paxBody,
  'go-archive-tar/pax-merge': merge,
  'go-archive-tar/allowed-formats': formats,
  'go-archive-tar/ustar-split': () => 'policy:tar-no-prefix',
}
