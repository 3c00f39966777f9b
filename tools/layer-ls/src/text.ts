/**
 * Shows entries as lines for people, as `tar -tv` does.
 *
 * @module
 */
import { printable, type TextForm } from '@pipelayer/cli'
import {
  type AnyRecord,
  type ChangeRecord,
  type EntryFields,
  type EntryType,
  nameOf,
  showName,
} from '@pipelayer/records'

export const FORMATS = ['records', 'text'] as const

const LETTERS: Readonly<Record<EntryType, string>> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  hardlink: 'h',
  char: 'c',
  block: 'b',
  fifo: 'p',
}

/** Writes `mode owner/group size time path`; the line of a whiteout has only its path. Times are UTC. */
export function textForm(format: string): TextForm | undefined {
  if (format !== 'text') return undefined
  return { record: textOf, end: () => '' }
}

function textOf(record: AnyRecord): string {
  if (record.type === 'layer-begin' && typeof record.createdBy === 'string')
    return `# ${printable(record.createdBy)}\n`
  return record.type === 'change' ? `${lineOf(record as ChangeRecord)}\n` : ''
}

function lineOf(change: ChangeRecord): string {
  const path = showName(nameOf(change, 'path') ?? '')
  const { entry } = change
  if (entry === undefined) return change.op === 'opaque' ? `x opaque ${path}` : `x delete ${path}`
  return `${modeOf(entry)} ${entry.uid}/${entry.gid} ${sizeOf(entry)} ${timeOf(entry)} ${path}${targetOf(entry)}`
}

function modeOf({ type, mode }: EntryFields): string {
  const bits = Number.parseInt(mode, 8)
  const part = (shift: number, special: number, letter: string): string => {
    const can = (bit: number, name: string): string => ((bits >> shift) & bit ? name : '-')
    const last = bits & special ? ((bits >> shift) & 1 ? letter : letter.toUpperCase()) : can(1, 'x')
    return `${can(4, 'r')}${can(2, 'w')}${last}`
  }
  return `${LETTERS[type]}${part(6, 0o4000, 's')}${part(3, 0o2000, 's')}${part(0, 0o1000, 't')}`
}

function sizeOf({ type, size = 0, devmajor, devminor }: EntryFields): string {
  const text = type === 'char' || type === 'block' ? `${devmajor},${devminor}` : String(size)
  return text.padStart(10)
}

/** A time that is outside the calendar is shown as a number of seconds. */
function timeOf({ mtime }: EntryFields): string {
  const date = new Date(Math.floor(Number(mtime)) * 1000)
  if (Number.isNaN(date.getTime())) return mtime
  return date.toISOString().slice(0, -8).replace('T', ' ')
}

function targetOf(entry: EntryFields): string {
  const target = nameOf(entry, 'linkname')
  if (target === undefined) return ''
  return entry.type === 'hardlink' ? ` link to ${showName(target)}` : ` -> ${showName(target)}`
}
