import { type Finding, RULE_NAMES, SEVERITIES } from '@pipelayer/lint'
import type { AnyRecord, FindingRecord } from '@pipelayer/records'

export function findingRecord(finding: Finding): FindingRecord {
  return { type: 'finding', ...finding }
}

export function isFinding(record: AnyRecord): record is FindingRecord {
  return record.type === 'finding'
}

/** Whether a finding is at least as severe as `from`; for `never`, no finding is. */
export function isBad(record: AnyRecord, from: string): boolean {
  if (!isFinding(record)) return false
  const limit = (SEVERITIES as readonly string[]).indexOf(from)
  return SEVERITIES.indexOf(record.severity) <= limit
}

export function isRule(name: string): boolean {
  return RULE_NAMES.some(rule => rule === name)
}
