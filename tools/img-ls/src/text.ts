import { sizeText, type TextForm, tableForm, timeAgo } from '@pipelayer/cli'
import { shortName } from '@pipelayer/inventory'
import type { AnyRecord, StoredImageRecord } from '@pipelayer/records'

export const FORMATS = ['records', 'text'] as const

export interface TextOptions {
  readonly format: string
  /** Show digests in full, and times as they are written in the image. */
  readonly full: boolean
  readonly now: Date
}

const COLUMNS = ['NAME', 'DIGEST', 'PLATFORM', 'SIZE', 'CREATED'].map(head => ({ head }))

/** A table as `docker images` prints it; undefined where records are asked for. */
export function textForm(options: TextOptions): TextForm | undefined {
  return options.format === 'text'
    ? tableForm({ columns: COLUMNS, row: record => cells(record, options) })
    : undefined
}

/** How many hexadecimal digits of a digest are shown: as many as Docker shows. */
const DIGITS = 12

function cells(record: AnyRecord, { full, now }: TextOptions): readonly string[] | undefined {
  if (record.type !== 'reference') return undefined
  const { name, digest, platforms, contentSize, created } = record as StoredImageRecord
  const times = created === undefined ? '' : full ? created : timeAgo(created, now)
  return [
    name === undefined ? '<none>' : shortName(name),
    full ? digest : (digest.split(':')[1] ?? '').slice(0, DIGITS),
    platforms.join(','),
    sizeText(contentSize),
    times,
  ]
}
