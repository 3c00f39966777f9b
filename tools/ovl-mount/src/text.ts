import { type TextForm, tableForm } from '@pipelayer/cli'
import type { MountRecord } from '@pipelayer/records'

/** The table of --list on a terminal. */
export function mountTableForm(): TextForm {
  return tableForm({
    columns: [
      { head: 'TARGET' },
      { head: 'IMAGE' },
      { head: 'LOWERS', align: 'right' },
      { head: 'UPPER' },
      { head: 'BY' },
      { head: 'STATE' },
    ],
    row: record => (record.type === 'mount' ? rowOf(record as MountRecord) : undefined),
  })
}

function rowOf({ target, reference, lowers, upper, uid, state, pid }: MountRecord): string[] {
  const by = pid === undefined ? `uid ${uid}` : `uid ${uid}, pid ${pid}`
  return [target, reference ?? '-', String(lowers.length), upper ?? '-', by, state]
}
