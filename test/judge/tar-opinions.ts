/**
 * Compares entries with those that bsdtar and Python read from the same archive, as far as the two agree.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import type { ReadEntry } from '@pipelayer/tar'
import type { Verdict } from './tar-go.js'

export interface Found {
  readonly entry?: ReadEntry
  readonly global?: ReadonlyMap<string, string>
  readonly md5?: string
  /** The digests of the content, and of the content without holes, which bsdtar leaves out. */
  readonly sha256?: readonly string[]
}

interface PythonEntry {
  readonly name: string
  readonly type: string
  readonly size: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
  readonly linkname: string
}

/** Keys of an mtree line: `size=5 mode=644`. */
type MtreeEntry = ReadonlyMap<string, string>

const PLAIN_TYPES = new Set(['0', '\0', '1', '2', '3', '4', '5', '6', '7', 'S'])

/** @param dir - holds opinions.json and bsdtar.mtree */
export function compareOpinions(dir: string, found: readonly Found[], error: unknown): Verdict {
  const { bsdtar, python_tarfile: python } = JSON.parse(
    fs.readFileSync(path.join(dir, 'opinions.json'), 'utf8'),
  )
  const bsdFails = bsdtar.exit !== 0
  const pythonFails = python.error !== null
  if (bsdFails && pythonFails) return error ? 'pass' : { fail: 'both refuse it' }
  if (bsdFails || pythonFails) return 'pass'
  const mtree = parseMtree(fs.readFileSync(path.join(dir, 'bsdtar.mtree'), 'latin1'))
  const entries = new Map(
    (python.entries as PythonEntry[])
      .filter(({ type }) => PLAIN_TYPES.has(type))
      .map(each => [pythonName(each.name), each]),
  )
  if (!sameKeys(mtree, entries)) return 'pass'
  if (String(error).includes('digits after a NUL')) return 'policy:tar-ambiguous-number'
  if (error) return { fail: `both read it: ${String(error)}` }
  const ours = new Map(
    found.flatMap(each =>
      each.entry && each.entry.type !== 'other' ? [[cleaned(each.entry.name), each]] : [],
    ),
  )
  if (!sameKeys(ours, entries)) return { fail: `names ${[...ours.keys()]}, not ${[...entries.keys()]}` }
  const wrong = [...ours].flatMap(([name, each]) => compare(name, each, mtree.get(name), entries.get(name)))
  return wrong.length === 0 ? 'pass' : { fail: wrong.join('; ') }
}

function compare(
  name: string,
  found: Found,
  bsd: MtreeEntry | undefined,
  python: PythonEntry | undefined,
): string[] {
  const { entry } = found
  if (!entry || !bsd || !python) return [`${name} is missing`]
  const rows: [string, unknown, unknown, unknown][] = [
    ['mode', entry.mode, Number.parseInt(bsd.get('mode') ?? '', 8), python.mode & 0o7777],
    ['uid', entry.uid, Number(bsd.get('uid')), python.uid],
    ['gid', entry.gid, Number(bsd.get('gid')), python.gid],
    ['seconds', entry.mtime.seconds, Number(bsd.get('time')?.split('.')[0]), Math.floor(python.mtime)],
  ]
  if (entry.type === 'file') rows.push(['size', entry.size, Number(bsd.get('size')), python.size])
  if (entry.type === 'symlink')
    rows.push(['target', entry.linkname, decoded(bsd.get('link') ?? ''), bytesOf(python.linkname)])
  const wrong = rows
    .filter(([, ours, one, two]) => one === two && ours !== one)
    .map(([key, ours, one]) => `${name}: ${key} is ${ours}, not ${one}`)
  const sha256 = bsd.get('sha256digest')
  const isComparable =
    entry.type === 'file' && sha256 !== undefined && Number(bsd.get('size')) === python.size
  if (isComparable && !found.sha256?.includes(sha256)) wrong.push(`${name}: other content`)
  return wrong
}

/** bsdtar's lines: `./a\040b time=1.0 mode=644`, defaults by `/set`. */
function parseMtree(text: string): Map<string, MtreeEntry> {
  const all = new Map<string, MtreeEntry>()
  let defaults: [string, string][] = []
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const [first = '', ...words] = line.trim().split(/\s+/)
    const pairs = words.map(
      word => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)] as [string, string],
    )
    if (first === '/set') defaults = pairs
    else if (first !== '' && !first.startsWith('#') && first !== '..')
      all.set(cleaned(decoded(first)), new Map([...defaults, ...pairs]))
  }
  return all
}

/** Octal escapes, and the letters that libarchive has for some. */
function decoded(name: string): string {
  return name.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function pythonName(name: string): string {
  return cleaned(bytesOf(name))
}

/** Python's text as bytes: a lone surrogate stands for one byte. */
function bytesOf(text: string): string {
  const parts = [...text].map(char => {
    const code = char.codePointAt(0) ?? 0
    return code >= 0xdc80 && code <= 0xdcff
      ? String.fromCharCode(code - 0xdc00)
      : Buffer.from(char).toString('latin1')
  })
  return parts.join('')
}

function cleaned(name: string): string {
  return name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '') || '.'
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every(key => b.has(key))
}
