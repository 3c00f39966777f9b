import { type TextForm, tableForm } from '@pipelayer/cli'
import type { AnyRecord, OperationRecord } from '@pipelayer/records'

export const FORMATS = ['records', 'text'] as const

const COLUMNS = ['PHASE', 'HOST', 'OPERATION'].map(head => ({ head }))

/** The plan as a table for people, what speaks against it first; undefined where records are asked for. */
export function textForm(format: string): TextForm | undefined {
  return format === 'text' ? tableForm({ columns: COLUMNS, row: cells }) : undefined
}

function cells(record: AnyRecord): readonly string[] | undefined {
  if (record.type === 'finding')
    return [
      String(record.severity),
      typeof record.host === 'string' ? record.host : '',
      String(record.message),
    ]
  if (record.type !== 'operation') return undefined
  const { phase, host, title } = record as OperationRecord
  return [phase, host, title]
}
