/**
 * Findings as a SARIF log.
 *
 * Spec: OASIS Static Analysis Results Interchange Format 2.1.0
 *
 * @module
 */

import { RULE_NAMES, RULES, type RuleName, type Severity } from '@pipelayer/lint'
import type { FindingRecord } from '@pipelayer/records'

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json'
const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' }

/** @param error - the error that stopped the run before all rules were checked */
export function sarifLog(findings: readonly FindingRecord[], error: string | undefined): object {
  const failures = error === undefined ? [] : [{ level: 'error', message: { text: error } }]
  const invocation = {
    executionSuccessful: error === undefined,
    ...(failures.length > 0 ? { toolExecutionNotifications: failures } : {}),
  }
  return {
    $schema: SCHEMA,
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'kf-lint', rules: RULE_NAMES.map(ruleDescriptor) } },
        invocations: [invocation],
        results: findings.map(result),
        columnKind: 'unicodeCodePoints',
      },
    ],
  }
}

function ruleDescriptor(name: RuleName): object {
  const { description, severity, origin } = RULES[name]
  return {
    id: name,
    name,
    shortDescription: { text: description },
    defaultConfiguration: { level: LEVELS[severity] },
    properties: { tags: [origin] },
  }
}

function result({ rule, severity, message, file, line, endLine }: FindingRecord): object {
  const index = (RULE_NAMES as readonly string[]).indexOf(rule)
  const region = line === undefined ? {} : { region: { startLine: line, endLine: endLine ?? line } }
  const physicalLocation = { artifactLocation: { uri: uriOf(file ?? '-') }, ...region }
  return {
    ruleId: rule,
    // A record of another linter may have a rule that our table lacks.
    ...(index < 0 ? {} : { ruleIndex: index }),
    level: LEVELS[severity],
    message: { text: message },
    locations: [{ physicalLocation }],
  }
}

/**
 * A relative path stays relative, since the viewer knows the root. A colon in its first part is escaped, because it
 * would look like a scheme.
 */
function uriOf(file: string): string {
  const path = file
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .split('/')
    .map(encodeURIComponent)
    .join('/')
  return file.startsWith('/') ? `file://${path}` : path
}
