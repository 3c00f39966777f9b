import path from 'node:path'
import { sizeText, type TextForm, tableForm } from '@pipelayer/cli'
import type { AnyRecord, GarbageRecord } from '@pipelayer/records'

/** What a terminal gets: of a dry run, a line for each thing; else a line for each kind; and the sum. */
export function textForm({ isDryRun }: { readonly isDryRun: boolean }): TextForm {
  return isDryRun ? listForm() : sumForm()
}

function listForm(): TextForm {
  let total = 0
  return tableForm({
    columns: [{ head: 'KIND' }, { head: 'NAME' }, { head: 'SIZE', align: 'right' }, { head: 'REASON' }],
    row: record => {
      if (!isGarbage(record)) return undefined
      const { kind, digest, path: file, size, reason } = record
      total += size
      return [kind, digest ?? path.basename(file), sizeText(size), reason]
    },
    below: () => `Would free ${sizeText(total)}\n`,
  })
}

function sumForm(): TextForm {
  const kinds = new Map<string, { count: number; size: number }>()
  const sums = (): string[][] =>
    [...kinds].map(([kind, { count, size }]) => [kind, String(count), sizeText(size)])
  const total = (): number => [...kinds.values()].reduce((sum, { size }) => sum + size, 0)
  return {
    record: record => {
      if (!isGarbage(record)) return ''
      const { count, size } = kinds.get(record.kind) ?? { count: 0, size: 0 }
      kinds.set(record.kind, { count: count + 1, size: size + record.size })
      return ''
    },
    end: last => {
      const columns = [
        { head: 'KIND' },
        { head: 'REMOVED', align: 'right' },
        { head: 'SIZE', align: 'right' },
      ] as const
      const rows = sums()
      const form = tableForm({
        columns,
        row: ({ row }) => row as string[],
        below: () => `Freed ${sizeText(total())}\n`,
      })
      for (const row of rows) form.record({ type: 'row', row })
      return form.end(last)
    },
  }
}

function isGarbage(record: AnyRecord): record is GarbageRecord {
  return record.type === 'garbage'
}
