import { type CheckOptions, commentOptions, holds } from './check-options.js'
import type { LintInstruction } from './instruction.js'
import { RULES, type RuleName, type Severity } from './rules.js'

/** One place where a file breaks a rule. */
export interface Finding {
  readonly rule: RuleName
  readonly severity: Severity
  /** What is wrong here. */
  readonly message: string
  readonly description: string
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly endLine: number
}

export interface ReportDetails {
  readonly message: string
  /** The severity where it differs from the rule's own. */
  readonly severity?: Severity
  /** A single line, where the finding is not about the whole instruction. */
  readonly line?: number
  /** Another instruction whose comments can skip the rule, too. */
  readonly cause?: LintInstruction
}

/** Takes what the rules report and keeps what is not skipped. */
export class Collector {
  readonly #options: CheckOptions
  readonly #findings: Finding[] = []
  readonly #comments = new Map<LintInstruction, CheckOptions>()

  constructor(options: CheckOptions) {
    this.#options = options
  }

  report(rule: RuleName, at: LintInstruction, found: string | ReportDetails): void {
    const details = typeof found === 'string' ? { message: found } : found
    const all = [this.#options, this.#commentsOf(at), this.#commentsOf(details.cause ?? at)]
    const { experimental = false, severity, description } = RULES[rule]
    // As in BuildKit, an experimental rule is off unless it is asked for.
    const wanted = experimental
      ? all.some(options => holds(options.experimental, rule))
      : !all.some(options => holds(options.skip, rule))
    if (!wanted) return
    this.#findings.push({
      rule,
      severity: this.#options.error ? 'error' : (details.severity ?? severity),
      message: details.message,
      description,
      file: at.source.file,
      line: details.line ?? at.source.line,
      endLine: details.line ?? at.source.endLine,
    })
  }

  /** The findings by line; those of one line in the order in which they were reported. */
  sorted(): readonly Finding[] {
    return [...this.#findings].sort((one, other) => one.line - other.line)
  }

  #commentsOf(instruction: LintInstruction): CheckOptions {
    const known = this.#comments.get(instruction)
    if (known !== undefined) return known
    const options = commentOptions(instruction.comments ?? [])
    this.#comments.set(instruction, options)
    return options
  }
}
