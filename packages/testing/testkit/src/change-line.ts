import { type ChangeRecord, nameOf, showName } from '@pipelayer/records'

/** A change on one line: `modify usr/bin dir (parent)`, `add b hardlink a`. */
export function changeLine(change: ChangeRecord): string {
  const { op, entry, parent } = change
  const link = entry === undefined ? undefined : nameOf(entry, 'linkname')
  return [op, showName(nameOf(change, 'path') ?? ''), entry?.type, link, parent && '(parent)']
    .filter(word => word !== undefined)
    .join(' ')
}
