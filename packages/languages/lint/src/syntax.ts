/**
 * Rules that read one instruction before its meaning is checked.
 *
 * @module
 */

import { isCheckComment } from './check-options.js'
import type { Collector } from './collector.js'
import type { LintInstruction } from './instruction.js'
import { keywordOf } from './stages.js'

export function checkSyntax(fields: LintInstruction, collector: Collector): void {
  if (fields.emptyContinuation !== undefined) {
    collector.report('NoEmptyContinuation', fields, {
      message: 'Empty continuation line',
      line: fields.emptyContinuation,
    })
  }
  if (fields.name === 'MAINTAINER') {
    const message = 'Maintainer instruction is deprecated in favor of using label'
    collector.report('MaintainerDeprecated', fields, message)
  }
  if (fields.name === 'FROM') checkFrom(fields, collector)
  if (fields.name === 'ARG') {
    const names = fields.args.map(arg => arg.split('=', 1)[0] ?? '')
    checkDescription(fields, names, collector)
  }
}

function checkFrom(fields: LintInstruction, collector: Collector): void {
  const [, as, name] = fields.args
  if (as === undefined || name === undefined) return
  if (fields.args.length === 3 && name !== name.toLowerCase()) {
    collector.report('StageNameCasing', fields, `Stage name '${name}' should be lowercase`)
  }
  const from = keywordOf(fields.raw)
  // Another rule reports a keyword in mixed case.
  const [lower, upper] = [from === from.toLowerCase(), from === from.toUpperCase()]
  const matches = lower ? as === as.toLowerCase() : !upper || as === as.toUpperCase()
  if (!matches) {
    collector.report('FromAsCasing', fields, `'${as}' and '${from}' keywords' casing do not match`)
  }
  if (fields.args.length === 3) checkDescription(fields, [name.toLowerCase()], collector)
}

/** Reports a comment right above an ARG or a named stage that is not in the form of its description. */
function checkDescription(fields: LintInstruction, names: readonly string[], collector: Collector): void {
  const comment = fields.comments?.filter(text => !isCheckComment(text)).at(-1)
  const [first] = names
  if (comment === undefined || first === undefined) return
  if (names.includes(comment.split(' ', 1)[0] ?? '')) return
  const example = names.length > 1 ? '<arg_key>' : first
  const message = `Comment for ${fields.name} should follow the format: \`# ${example} <description>\``
  collector.report('InvalidDefinitionDescription', fields, message)
}
