/**
 * Targets that read archives and compressed bytes.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { decompress } from '@pipelayer/compress'
import { type BlobSink, packTar } from '@pipelayer/packing'
import {
  encodeHeader,
  formatPaxRecord,
  parsePax,
  type ReadEntry,
  type TarEvent,
  TarParser,
} from '@pipelayer/tar'
import type { Corpus } from './corpus.js'
import { byteMutators } from './mutate.js'
import { tarMutators } from './mutate-tar.js'
import type { Random } from './random.js'
import { chunks, outcomeOf, refusable, same, type Target } from './target.js'

/** The limit of decompression, in bytes: it stops a bomb, and keeps cases cheap. */
const MAX_BYTES = 1 << 23

export function tarTargets(corpus: Corpus): Target[] {
  return [
    { name: 'tar', corpus: corpus.tars, mutators: tarMutators, run: parseArchive },
    { name: 'pax', corpus: corpus.tars.map(paxBody), mutators: byteMutators, run: parseRecords },
    { name: 'decompress', corpus: corpus.packed, mutators: byteMutators, run: inflate },
    { name: 'pack', corpus: [...corpus.tars, ...corpus.packed], mutators: tarMutators, run: pack },
  ]
}

/**
 * Checks that only our errors are thrown, that chunk sizes make no difference, that the output is bounded, that each
 * byte comes once, and that entries can be written again.
 */
async function parseArchive(input: Buffer, random: Random): Promise<void> {
  const whole = await outcomeOf(() => digestOf(eventsOf(input)))
  const cut = await outcomeOf(async () => {
    const parser = new TarParser({ holes: 'events' })
    const events: TarEvent[] = []
    for await (const chunk of chunks(input, random))
      for (const event of parser.push(chunk)) events.push(copied(event))
    parser.finish()
    return digestOf(events)
  })
  same('the chunks matter', whole, cut)
  await reassemble(input)
}

function eventsOf(input: Buffer): TarEvent[] {
  const parser = new TarParser({ holes: 'events' })
  const events: TarEvent[] = []
  for (const event of parser.push(Buffer.from(input))) {
    events.push(event)
    // A header has 512 bytes and gives only a few events.
    if (events.length > 100 + input.length) throw new Error('more events than bytes')
  }
  parser.finish()
  return events
}

/** A text of the entries and contents. It checks the promises of each event on the way. */
function digestOf(events: readonly TarEvent[]): string {
  const lines: string[] = []
  let entry: ReadEntry | undefined
  let size = 0
  let hash = createHash('sha256')
  for (const event of events) {
    if (event.type === 'entry') {
      if (entry !== undefined) throw new Error('an entry inside an entry')
      entry = event.entry
      size = 0
      hash = createHash('sha256')
      lines.push(describe(event.entry))
    } else if (event.type === 'data') {
      size += event.bytes.length
      hash.update(event.bytes)
    } else if (event.type === 'hole') {
      size += event.size
      // Two holes side by side count as one hole.
      hash.update(`hole of ${event.size}`)
    } else if (event.type === 'end') {
      if (entry === undefined || size !== entry.size)
        throw new Error(`${size} bytes came, not ${entry?.size}`)
      entry = undefined
      lines.push(hash.digest('hex'))
    }
  }
  if (entry !== undefined) throw new Error('an entry without its end')
  return lines.join('\n')
}

function describe(entry: ReadEntry): string {
  for (const value of [entry.size, entry.uid, entry.gid, entry.mode, entry.mtime.seconds, entry.devmajor])
    if (!Number.isSafeInteger(value)) throw new Error(`${value} is no integer`)
  if (entry.size < 0) throw new Error('a negative size')
  if (entry.name.includes('\0') || entry.linkname.includes('\0')) throw new Error('a NUL in a name')
  writeAgain(entry)
  return JSON.stringify(entry, (_, value: unknown) => (value instanceof Map ? [...value] : value))
}

/** Writes an entry again. It must be refused, or be the same when it is read again. */
function writeAgain(entry: ReadEntry): void {
  if (entry.type === 'other' || entry.size > 0 || entry.name.endsWith('/')) return
  let header: Buffer
  try {
    header = encodeHeader({ ...entry, xattrs: entry.xattrs })
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'TAR_UNREPRESENTABLE') return
    throw error
  }
  const [event] = [...new TarParser().push(header)]
  if (event?.type !== 'entry') throw new Error('a header that was written has no entry')
  const pick = ({ name, type, uid, gid, linkname, mtime, mode, xattrs }: ReadEntry): string =>
    JSON.stringify([
      type === 'dir' ? name.replace(/\/$/, '') : name,
      type,
      uid,
      gid,
      linkname,
      mtime,
      mode,
      [...xattrs].sort(),
    ])
  same('written and read', pick(entry), pick(event.entry))
}

/**
 * Checks what tar-split relies on: the raw events in order are the archive, or, after an error, the part that was read.
 */
async function reassemble(input: Buffer): Promise<void> {
  const parser = new TarParser({ raw: true })
  const parts: Buffer[] = []
  const done = await refusable(() => {
    for (const event of parser.push(Buffer.from(input)))
      if (event.type === 'raw' || event.type === 'data') parts.push(event.bytes)
    parser.finish()
    return true
  })
  const got = Buffer.concat(parts)
  if (!got.equals(input.subarray(0, got.length))) throw new Error('reassembled bytes differ')
  if (done && got.length < input.length) throw new Error(`${input.length - got.length} bytes were not told`)
}

function copied(event: TarEvent): TarEvent {
  return event.type === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event
}

/** Bytes that may be PAX records: the body of the first PAX header, or a part of the input. */
function paxBody(tar: Buffer): Buffer {
  const at = tar.indexOf('ustar\x0000x') < 0 ? tar.indexOf(' path=') : 512
  return at < 0 ? Buffer.from('9 path=a\n19 mtime=1700000000\n') : tar.subarray(512, 1024)
}

/** Checks that only the parser's own error is thrown, and that records can be written and read again. */
function parseRecords(input: Buffer): void {
  let records: Map<string, string>
  try {
    records = parsePax(input)
  } catch (error) {
    if (error instanceof Error && error.constructor.name === 'FieldError') return
    throw error
  }
  records.delete('GNU.sparse.map')
  const text = [...records].map(([key, value]) => formatPaxRecord(key, value)).join('')
  same('records', JSON.stringify([...parsePax(Buffer.from(text, 'latin1'))]), JSON.stringify([...records]))
}

/**
 * Checks that only our errors are thrown, that no more bytes come than were asked for, and that chunk sizes make no
 * difference. Only which of two errors is thrown may depend on the chunks, because a damaged block may give some of its
 * bytes or none.
 */
async function inflate(input: Buffer, random: Random): Promise<void> {
  const [whole, cut] = [await inflated(one(input)), await inflated(chunks(input, random))]
  const isSame = whole === cut || (isCode(whole) && isCode(cut))
  if (!isSame) same('the chunks matter', whole, cut)
}

function isCode(outcome: string): boolean {
  return /^[A-Z_]+$/.test(outcome)
}

function inflated(source: AsyncIterable<Buffer>): Promise<string> {
  return outcomeOf(async () => {
    const hash = createHash('sha256')
    let size = 0
    for await (const bytes of decompress(source, { maxBytes: MAX_BYTES })) {
      size += bytes.length
      hash.update(bytes)
    }
    if (size > MAX_BYTES) throw new Error(`${size} bytes came out`)
    return `${size} ${hash.digest('hex')}`
  })
}

/** Checks that either nothing is committed, or a blob with exactly the bytes of the tar. */
async function pack(input: Buffer, random: Random): Promise<void> {
  const parts: Buffer[] = []
  const states: string[] = []
  const sink: BlobSink = {
    write: chunk => void parts.push(Buffer.from(chunk)),
    commit: () => {
      states.push('commit')
      return { digest: `sha256:${'0'.repeat(64)}`, size: 0 }
    },
    abort: () => void states.push('abort'),
  }
  const bounded = await refusable(() => collect(decompress(one(input), { maxBytes: MAX_BYTES })))
  if (bounded === undefined) return
  const format = random.pick(['gzip', 'none', 'none'] as const)
  const layer = await refusable(() =>
    packTar(chunks(input, random), () => sink, { compress: { format, level: format === 'gzip' ? 1 : 0 } }),
  )
  same('states of the sink', states.join(' '), layer === undefined ? 'abort' : 'commit')
  if (layer === undefined) return
  const tar = await collect(decompress(one(Buffer.concat(parts))))
  if (!tar.equals(bounded)) throw new Error('the layer is not the tar')
  same('diffID', layer.diffID, `sha256:${createHash('sha256').update(tar).digest('hex')}`)
}

async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of source) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer, void, void> {
  yield Buffer.from(bytes)
}
