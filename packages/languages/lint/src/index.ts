/**
 * Rules over the instructions of one Dockerfile or Kubefile.
 *
 * @module
 */

export { type CheckOptions, parseCheckOptions } from './check-options.js'
export type { Finding } from './collector.js'
export { fixText } from './fix.js'
export type { LintInstruction } from './instruction.js'
export { type LintOptions, type LintResult, lint } from './lint.js'
export { type ContextFile, isPluginFile, pluginProblems } from './plugins.js'
export { RULE_NAMES, RULES, type RuleName, SEVERITIES, type Severity } from './rules.js'
