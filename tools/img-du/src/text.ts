import { type Column, sizeText, type TextForm, tableForm } from '@pipelayer/cli'
import { shortName } from '@pipelayer/inventory'
import type { AnyRecord, UsageRecord } from '@pipelayer/records'

const RIGHT = 'right'
const KINDS: readonly Column[] = [
  { head: 'KIND' },
  { head: 'COUNT', align: RIGHT },
  { head: 'SIZE', align: RIGHT },
]
const IMAGES: readonly Column[] = [
  { head: 'IMAGE' },
  { head: 'DIGEST' },
  { head: 'BLOBS', align: RIGHT },
  { head: 'OWN', align: RIGHT },
  { head: 'SHARED', align: RIGHT },
  { head: 'SIZE', align: RIGHT },
]

/** What a terminal gets: a table of the kinds of content, and one of the images. */
export function textForm(): TextForm {
  const kinds = tableForm({ columns: KINDS, row: record => kindRow(record) })
  const images = tableForm({ columns: IMAGES, row: record => imageRow(record) })
  return {
    record: record => `${kinds.record(record)}${images.record(record)}`,
    end: last => [kinds.end(last), images.end(last)].filter(text => text !== '').join('\n'),
  }
}

function kindRow(record: AnyRecord): string[] | undefined {
  if (!isUsage(record) || record.kind === 'image') return undefined
  return [record.kind, String(record.count), sizeText(record.size)]
}

function imageRow(record: AnyRecord): string[] | undefined {
  if (!isUsage(record) || record.kind !== 'image') return undefined
  const { reference, digest = '', count, own = 0, shared = 0, size } = record
  const name = reference === undefined ? '<none>' : shortName(reference)
  const short = digest.slice(0, 'sha256:'.length + 12)
  return [name, short, String(count), sizeText(own), sizeText(shared), sizeText(size)]
}

function isUsage(record: AnyRecord): record is UsageRecord {
  return record.type === 'usage'
}
