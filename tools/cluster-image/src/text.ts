/**
 * Shows records of cluster images as text.
 *
 * @module
 */

import { printable, type TextForm } from '@pipelayer/cli'
import { CLUSTERFILE, formatDocument, type ImageDocument } from '@pipelayer/cluster'
import type { AnyRecord } from '@pipelayer/records'

export const FORMATS = ['records', 'yaml', 'json'] as const
type Format = (typeof FORMATS)[number]

const ID_SHOWN = 12

/**
 * Undefined if records are written as they are. `yaml` and `json` show documents, and a line for a record that has
 * none.
 */
export function textForm(
  format: string,
  { clusterfile }: { readonly clusterfile: boolean },
): TextForm | undefined {
  const known = FORMATS.find(one => one === format)
  if (clusterfile) return form(record => clusterfileText(record, known ?? 'yaml'))
  if (known === undefined || known === 'records') return undefined
  return form(record => documentText(record, known))
}

function form(record: (record: AnyRecord) => string): TextForm {
  return { record, end: () => '' }
}

function clusterfileText(record: AnyRecord, format: Format): string {
  const text = documentIn(record)?.metadata.annotations?.[CLUSTERFILE] ?? ''
  return format === 'json' ? `${JSON.stringify(text)}\n` : text
}

function documentText(record: AnyRecord, format: Format): string {
  const document = documentIn(record)
  if (document === undefined) return line(record)
  return format === 'json' ? `${JSON.stringify(document, null, 2)}\n` : formatDocument(document)
}

function documentIn({ document }: AnyRecord): ImageDocument | undefined {
  return typeof document === 'object' && document !== null ? (document as ImageDocument) : undefined
}

/** The names come from images, so characters that control a terminal are escaped. */
function line(record: AnyRecord): string {
  return `${cellsOf(record)
    .map(cell => printable(String(cell)))
    .join('	')}
`
}

function cellsOf(record: AnyRecord): readonly unknown[] {
  const { type, id, reference, created, size, digest, imageType } = record
  if (type === 'layer') return [record.diffID ?? '-', size ?? 0, record.createdBy]
  if (type === 'finding') return [record.severity, record.message]
  if (type === 'difference')
    return [record.what, record.name, record.before ?? 'absent', '->', record.after ?? 'absent']
  return [
    String(id ?? digest).slice(0, ID_SHOWN),
    reference ?? '-',
    created ?? '-',
    size ?? '-',
    imageType ?? '-',
  ]
}
