import { sizeText, type TextForm, tableForm, timeAgo } from '@pipelayer/cli'
import type { AnyRecord, HistoryRecord } from '@pipelayer/records'

export const FORMATS = ['records', 'text'] as const

export interface TextOptions {
  readonly format: string
  /** Show commands and digests in full, and times as they are written in the image. */
  readonly full: boolean
  readonly now: Date
}

const COLUMNS = ['LAYER', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'].map(head => ({ head }))
/** How many hexadecimal digits of a digest, and how many characters of a command are shown, as Docker does. */
const DIGITS = 12
const COMMAND = 45

/** A table as `docker history` prints it; undefined where records are asked for. */
export function textForm(options: TextOptions): TextForm | undefined {
  return options.format === 'text'
    ? tableForm({ columns: COLUMNS, row: record => cells(record, options) })
    : undefined
}

function cells(record: AnyRecord, { full, now }: TextOptions): readonly string[] | undefined {
  if (record.type !== 'history') return undefined
  const { digest = '', created, createdBy = '', size = 0, comment = '' } = record as HistoryRecord
  const time = created === undefined ? '' : full ? created : timeAgo(created, now)
  if (full) return [digest, time, createdBy, sizeText(size), comment]
  return [(digest.split(':')[1] ?? '').slice(0, DIGITS), time, shortened(createdBy), sizeText(size), comment]
}

function shortened(command: string): string {
  const characters = [...command.replace(/\s+/g, ' ')]
  return characters.length <= COMMAND
    ? characters.join('')
    : `${characters.slice(0, COMMAND - 1).join('')}\u2026`
}
