/**
 * Shows findings as text for people, or as SARIF for programs that show them beside the code.
 *
 * @module
 */

import { printable, type TextForm } from '@pipelayer/cli'
import { SEVERITIES, type Severity } from '@pipelayer/lint'
import type { AnyRecord, FindingRecord } from '@pipelayer/records'
import { isFinding } from './findings.js'
import { sarifLog } from './sarif.js'

export const FORMATS = ['records', 'text', 'sarif'] as const

/** Undefined if findings are written as records. */
export function textForm(format: string): TextForm | undefined {
  if (format === 'text') return plainForm()
  return format === 'sarif' ? sarifForm() : undefined
}

/** Writes `FILE:LINE: severity: message [Rule]`, and a last line with the numbers of findings. */
function plainForm(): TextForm {
  const counts = new Map<Severity, number>()
  return {
    record: record => {
      if (!isFinding(record)) return ''
      counts.set(record.severity, (counts.get(record.severity) ?? 0) + 1)
      return `${printable(plainLine(record))}\n`
    },
    end: last => (last.type === 'error' ? '' : `${summary(counts)}\n`),
  }
}

function plainLine({ file = '-', line, severity, message, rule }: FindingRecord): string {
  return `${file}${line === undefined ? '' : `:${line}`}: ${severity}: ${message} [${rule}]`
}

function summary(counts: ReadonlyMap<Severity, number>): string {
  const parts = SEVERITIES.flatMap(severity => {
    const count = counts.get(severity)
    return count === undefined ? [] : [`${count} ${severity}${count === 1 || severity === 'info' ? '' : 's'}`]
  })
  return parts.length === 0 ? 'no findings' : parts.join(', ')
}

/** Writes one document when all findings have come. */
function sarifForm(): TextForm {
  const findings: FindingRecord[] = []
  return {
    record: record => {
      if (isFinding(record)) findings.push(record)
      return ''
    },
    end: (last: AnyRecord) => `${JSON.stringify(sarifLog(findings, errorOf(last)), null, 2)}\n`,
  }
}

function errorOf(last: AnyRecord): string | undefined {
  return last.type === 'error' ? `${String(last.message)} [${String(last.code)}]` : undefined
}
