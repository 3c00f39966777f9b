/**
 * Shows findings as text for people, or in the forms of programs that show them beside the code.
 *
 * @module
 */

import { printable, type TextForm } from '@pipelayer/cli'
import { SEVERITIES, type Severity } from '@pipelayer/lint'
import type { AnyRecord, FindingRecord } from '@pipelayer/records'
import { isFinding } from './findings.js'
import { sarifLog } from './sarif.js'

export const FORMATS = ['records', 'text', 'json', 'sarif', 'github'] as const

/** Undefined if findings are written as records. */
export function textForm(format: string): TextForm | undefined {
  if (format === 'text') return plainForm()
  if (format === 'github') return githubForm()
  if (format === 'json') return documentForm(findings => findings)
  return format === 'sarif' ? documentForm(sarifLog) : undefined
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
function documentForm(
  document: (findings: readonly FindingRecord[], error: string | undefined) => object,
): TextForm {
  const findings: FindingRecord[] = []
  return {
    record: record => {
      if (isFinding(record)) findings.push(record)
      return ''
    },
    end: (last: AnyRecord) => `${JSON.stringify(document(findings, errorOf(last)), null, 2)}\n`,
  }
}

/** The commands by which a job of GitHub Actions marks lines of a change. */
const COMMANDS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'notice' }

/** Spec: GitHub Actions, "Workflow commands", setting an error, a warning or a notice message. */
function githubForm(): TextForm {
  return {
    record: record => {
      if (!isFinding(record)) return ''
      const { file = '-', line, endLine, severity, message, rule } = record
      const lines = line === undefined ? '' : `,line=${line},endLine=${endLine ?? line}`
      const place = `file=${escaped(file).replaceAll(':', '%3A').replaceAll(',', '%2C')}${lines}`
      return `::${COMMANDS[severity]} ${place},title=${rule}::${escaped(message)}\n`
    },
    end: () => '',
  }
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function errorOf(last: AnyRecord): string | undefined {
  return last.type === 'error' ? `${String(last.message)} [${String(last.code)}]` : undefined
}
