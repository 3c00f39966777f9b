/**
 * Entries compared with headers as Go's archive/tar names them.
 *
 * @module
 */
import type { ReadEntry, TarTime } from '@pipelayer/tar'

export type Verdict = 'pass' | `policy:${string}` | { fail: string }
// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
export type Row = { id: string; in: any; want: any; dir?: string }
// biome-ignore lint/suspicious/noExplicitAny: a header as Go names its fields
type GoHeader = any

/** A time whose nanoseconds are not negative, even before 1970. */
export function goTime(time: { unix: number | bigint; ns: number | bigint }): TarTime {
  const ns = Number(time.ns)
  const down = Math.floor(ns / 1e9)
  return { seconds: Number(time.unix) + down, nanoseconds: ns - down * 1e9 }
}

/** The differences; undefined if there are none. A field that `want` lacks has its zero value. */
export function differences(entry: ReadEntry, want: GoHeader): string | undefined {
  const stated = entry.type === 'file' || entry.type === 'other' ? entry.size : entry.statedSize
  const rows: [string, unknown, unknown][] = [
    ['Name', entry.name, text(want.Name)],
    ['Linkname', entry.linkname, text(want.Linkname)],
    ['Typeflag', entry.typeflag, want.Typeflag ?? '\0'],
    ['Size', stated, Number(want.Size ?? 0)],
    // Bits of the file type are dropped here.
    ['Mode', entry.mode, Number(want.Mode ?? 0) & 0o7777],
    ['Uid', entry.uid, Number(want.Uid ?? 0)],
    ['Gid', entry.gid, Number(want.Gid ?? 0)],
    ['Uname', entry.uname, text(want.Uname)],
    ['Gname', entry.gname, text(want.Gname)],
    ['Devmajor', entry.devmajor, Number(want.Devmajor ?? 0)],
    ['Devminor', entry.devminor, Number(want.Devminor ?? 0)],
    ['PAXRecords', sorted(entry.pax), sorted(new Map(Object.entries(want.PAXRecords ?? {})))],
  ]
  if (want.ModTime) rows.push(['ModTime', time(entry.mtime), time(goTime(want.ModTime))])
  if (want.AccessTime) rows.push(['AccessTime', time(entry.atime), time(goTime(want.AccessTime))])
  if (want.ChangeTime) rows.push(['ChangeTime', time(entry.ctime), time(goTime(want.ChangeTime))])
  if (want.Format) rows.push(['Format', entry.format, want.Format])
  const wrong = rows.filter(([, got, wanted]) => got !== wanted)
  if (wrong.length === 0) return undefined
  return wrong
    .map(([name, got, wanted]) => `${name} is ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`)
    .join('; ')
}

function text(value: string | { hex: string } | undefined): string {
  if (value === undefined) return ''
  const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.hex, 'hex')
  return bytes.toString('latin1')
}

function sorted(records: ReadonlyMap<string, unknown>): string {
  const rows = [...records].map(([key, value]) => [text(key), value] as const)
  return JSON.stringify(
    rows
      .map(([key, value]) => [key, typeof value === 'string' ? value : text(value as { hex: string })])
      .sort(),
  )
}

function time(value: TarTime | undefined): string {
  return value === undefined ? 'none' : `${value.seconds}+${value.nanoseconds}`
}
