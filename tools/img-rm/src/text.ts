import { printable, sizeText, type TextForm } from '@pipelayer/cli'
import { shortName } from '@pipelayer/inventory'
import type { RemovedRecord } from '@pipelayer/records'

/** A line for each name, as `docker rmi` prints it, and one for what nothing names any more. */
export const LINES: TextForm = {
  record: record => (record.removed === true ? linesOf(record as RemovedRecord) : ''),
  end: () => '',
}

function linesOf({ name, digest, unreferenced }: RemovedRecord): string {
  const untagged = `Untagged: ${printable(name === undefined ? digest : shortName(name))}\n`
  if (unreferenced === undefined) return untagged
  const bytes = unreferenced.reduce((sum, { size }) => sum + size, 0)
  const what = `${unreferenced.length} blobs, ${sizeText(bytes)}`
  return `${untagged}Unreferenced: ${digest} (${what}; img-gc deletes them)\n`
}
