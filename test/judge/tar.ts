/**
 * Judges the reader of archives, and the detection of compression by its first bytes.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { decompress, decompressExternal, detectCompression } from '@pipelayer/compress'
import { type ReadEntry, type TarEvent, TarParser, type TarParserOptions } from '@pipelayer/tar'
import { differences, type Row, type Verdict } from './tar-go.js'
import { compareOpinions, type Found } from './tar-opinions.js'

interface Context {
  readonly dir: string
}

interface Read {
  readonly entries: Found[]
  readonly error?: unknown
}

/** Files with holes that are larger, in bytes, are not hashed. */
const MAX_HASHED = 1 << 26

async function eventsOf(row: Row, context: Context, options: TarParserOptions): Promise<TarEvent[]> {
  const parser = new TarParser(options)
  const events: TarEvent[] = []
  const source = fs.createReadStream(fileOf(row, context), { highWaterMark: 1000 })
  const isPacked = row.in.gunzip_first || row.in.file.endsWith('.tar.gz')
  for await (const chunk of isPacked ? decompress(source) : source) {
    for (const event of parser.push(chunk)) events.push(event)
  }
  parser.finish()
  return events
}

/** Entries and global headers, with digests of their contents. */
async function readArchive(row: Row, context: Context): Promise<Read> {
  const entries: Found[] = []
  try {
    let content: Buffer[] = []
    let stored: Buffer[] = []
    for (const event of await eventsOf(row, context, { holes: 'events' })) {
      if (event.type === 'entry') entries.push({ entry: event.entry })
      if (event.type === 'global') entries.push({ global: event.pax })
      if (event.type === 'data') content.push(event.bytes)
      if (event.type === 'data') stored.push(event.bytes)
      if (event.type === 'hole' && event.size < MAX_HASHED) content.push(Buffer.alloc(event.size))
      if (event.type !== 'end') continue
      const bytes = Buffer.concat(content)
      entries.push({
        ...entries.pop(),
        md5: digest('md5', bytes),
        sha256: [bytes, Buffer.concat(stored)].map(each => digest('sha256', each)),
      })
      content = []
      stored = []
    }
    return { entries }
  } catch (error) {
    return { entries, error }
  }
}

function digest(algorithm: string, bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

function fileOf(row: Row, context: Context): string {
  return path.join(context.dir, row.dir ?? '', row.in.file)
}

async function goReader(row: Row, context: Context): Promise<Verdict> {
  const { entries, error } = await readArchive(row, context)
  const { want } = row
  if (want.error) return error ? 'pass' : { fail: 'accepted' }
  if (error) return { fail: String(error) }
  if (entries.length !== want.headers.length)
    return { fail: `${entries.length} entries, not ${want.headers.length}` }
  for (const [i, header] of want.headers.entries()) {
    const found = entries[i]
    const wrong = found?.entry
      ? differences(found.entry, header)
      : header.Typeflag === 'g'
        ? undefined
        : 'a global header'
    if (wrong) return { fail: `entry ${i}: ${wrong}` }
    const md5 = want.md5?.[i]
    if (md5 && md5 !== found?.md5) return { fail: `entry ${i}: content has md5 ${found?.md5}, not ${md5}` }
  }
  return 'pass'
}

async function opinions(row: Row, context: Context): Promise<Verdict> {
  const { entries, error } = await readArchive(row, context)
  if (row.want.opinions === undefined)
    return Boolean(row.want.error) === Boolean(error) ? 'pass' : { fail: String(error ?? 'accepted') }
  return compareOpinions(path.join(context.dir, row.dir ?? ''), entries, error)
}

/** Compares with entries of npm's tar. Archives that its strict mode refuses must be refused. */
async function nodeTar(row: Row, context: Context): Promise<Verdict> {
  const dir = path.join(context.dir, row.dir ?? '')
  const events = (name: string): [string, Record<string, unknown>][] =>
    JSON.parse(fs.readFileSync(path.join(dir, name), 'utf8'))
  const { entries, error } = await readArchive(row, context)
  if (events(row.want.strict).some(([kind]) => kind === 'error')) return error ? 'pass' : { fail: 'accepted' }
  if (error) return { fail: String(error) }
  const want = events(row.want.events).filter(([kind]) => kind === 'entry')
  const got = entries.flatMap(({ entry }) => (entry ? [nodeTarText(entry)] : []))
  const wanted = want.map(([, entry]) => wantedText(entry))
  return JSON.stringify(got) === JSON.stringify(wanted) ? 'pass' : { fail: `got ${got}, not ${wanted}` }
}

function nodeTarText(entry: ReadEntry): string {
  const seconds = entry.mtime.seconds + Math.floor(entry.mtime.nanoseconds / 1e6) / 1000
  return [
    utf8(entry.name),
    entry.mode,
    entry.uid,
    entry.gid,
    entry.size,
    seconds,
    utf8(entry.linkname),
  ].join()
}

function wantedText(entry: Record<string, unknown>): string {
  const seconds = Date.parse(String(entry.mtime)) / 1000
  return [entry.path, entry.mode, entry.uid, entry.gid, entry.size, seconds, entry.linkpath ?? ''].join()
}

function utf8(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8')
}

async function roundTrip(row: Row, context: Context): Promise<Verdict> {
  const parts = (await eventsOf(row, context, { raw: true })).map(event =>
    event.type === 'raw' || event.type === 'data' ? event.bytes : Buffer.alloc(0),
  )
  const bytes = Buffer.concat(parts)
  const { want } = row
  if (bytes.length !== want.size) return { fail: `${bytes.length} bytes, not ${want.size}` }
  if (digest('sha1', bytes) !== want.sha1) return { fail: 'other bytes' }
  return want.sha256 === undefined || digest('sha256', bytes) === want.sha256
    ? 'pass'
    : { fail: 'other bytes' }
}

/** Every name of the expectation is in the archive. */
async function lists(row: Row, context: Context): Promise<Verdict> {
  const { entries, error } = await readArchive(row, context)
  if (error) return { fail: String(error) }
  const names = new Set(entries.map(({ entry }) => utf8(entry?.name ?? '')))
  const missing = strings(row.want).filter(name => !names.has(name))
  return missing.length === 0 ? 'pass' : { fail: `no ${missing} among ${[...names]}` }
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : []
}

const KINDS: Record<string, string> = {
  gz: 'gzip',
  bz2: 'bzip2',
  xz: 'xz',
  zst: 'zstd',
  std: 'zstd',
  uncompressed: 'none',
}

/** The file's name tells the compression, and its stem is the content. */
async function detect(row: Row, context: Context): Promise<Verdict> {
  const bytes = fs.readFileSync(fileOf(row, context))
  const [stem = '', extension = ''] = String(row.want.name).split('.')
  const kind = detectCompression(bytes)
  if (kind !== KINDS[extension]) return { fail: `is ${kind}` }
  const source = once(bytes)
  const stream =
    kind === 'bzip2' || kind === 'xz' ? decompressExternal(source, kind, spawn) : decompress(source)
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text.trim() === stem ? 'pass' : { fail: `holds ${JSON.stringify(text)}` }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, void> {
  yield bytes
}

export const adapters: Record<string, (row: Row, context: Context) => Promise<Verdict>> = {
  'go-archive-tar/reader': goReader,
  'go-archive/broken-tar': lists,
  'libarchive/tars': opinions,
  'node-tar/parse': nodeTar,
  'tar-stream/fixtures': opinions,
  'tar-split/roundtrip': roundTrip,
  'containers-image/detect-compression': detect,
}
