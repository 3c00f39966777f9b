import { visible } from '@pipelayer/errors'
import type { AnyRecord } from '@pipelayer/records'
import type { TextForm } from './text-writer.js'

/** Spaces between two columns, as docker puts them. */
const GAP = '   '
/** East Asian Wide and Fullwidth, in the ranges that Unicode 16's EastAsianWidth.txt assigns to scripts and forms. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{17000}-\u{18cff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u
const UNSEEN = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const

/** One column of a table. */
export interface Column {
  readonly head: string
  /** Numbers stand at the right. */
  readonly align?: 'left' | 'right'
}

/**
 * A table as text: a line of heads, then a line for each row. Each column is as wide as its widest cell is on a
 * terminal. Control characters of a cell are shown escaped, so that a name cannot begin a line of its own.
 *
 * @param rows - the cells of each row, in the order of the columns; missing ones are empty
 */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ head }) => head), ...rows.map(row => columns.map((_, at) => row[at] ?? ''))]
  const cells = lines.map(line => line.map(visible))
  const widths = columns.map((_, at) =>
    cells.reduce((most, row) => Math.max(most, widthOf(row[at] ?? '')), 0),
  )
  const lineOf = (row: readonly string[]): string =>
    columns.map(({ align }, at) => padded(row[at] ?? '', widths[at] ?? 0, align)).join(GAP)
  return cells.map(row => `${lineOf(row).trimEnd()}\n`).join('')
}

/** How a tool shows records as a table. */
export interface TableForm {
  readonly columns: readonly Column[]
  /** The cells of the row that a record becomes; undefined for one that is not shown. */
  row(record: AnyRecord): readonly string[] | undefined
  /** Lines below the table, line ends included; they are written even where the table has no row. */
  below?(): string
}

/**
 * Shows records as one table, which is written when the last of them has come, since only then the widths are known.
 * There are no heads where there is no row. Memory: the cells.
 */
export function tableForm({ columns, row, below }: TableForm): TextForm {
  const rows: (readonly string[])[] = []
  return {
    record: record => {
      const cells = row(record)
      if (cells !== undefined) rows.push(cells)
      return ''
    },
    end: () => `${rows.length === 0 ? '' : formatTable(columns, rows)}${below?.() ?? ''}`,
  }
}

/** A size as docker shows it: three digits and a unit of 1000, such as `77.8MB`; bytes below 1000 as they are. */
export function sizeText(bytes: number): string {
  let unit = 0
  let count = bytes
  // 999.5 kB would become "1000kB", which is 1 MB.
  while (Number(count.toPrecision(3)) >= 1000 && unit < UNITS.length - 1) {
    count /= 1000
    unit++
  }
  return `${Number(count.toPrecision(3))}${UNITS[unit]}`
}

let graphemes: Intl.Segmenter | undefined

/** The columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  // It is made here because that takes longer than all else which this module does.
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  let width = 0
  for (const { segment } of graphemes.segment(text)) {
    if (!UNSEEN.test(segment)) width += WIDE.test(segment) ? 2 : 1
  }
  return width
}

function padded(text: string, width: number, align: Column['align']): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'right' ? `${space}${text}` : `${text}${space}`
}
