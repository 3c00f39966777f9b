/**
 * Shell patterns over references.
 *
 * ```
 * pattern = *( "*" / "?" / class / "\" char / char )      "*" and "?" do not match a slash
 * class   = "[" [ "^" ] 1*( char / char "-" char ) "]"
 * ```
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { familiar, type NormalizedReference } from './normalized.js'

/**
 * True when `pattern` matches the familiar form of a reference, with its tag or without.
 *
 * @throws ToolError `PATTERN_INVALID`
 */
export function matchesPattern(pattern: string, reference: NormalizedReference): boolean {
  const expression = compile(pattern)
  const { tag: _tag, digest: _digest, ...name } = reference
  return expression.test(familiar(reference)) || expression.test(familiar(name))
}

function compile(pattern: string): RegExp {
  const token = /\*+|\?|\[(\^?)((?:\\.|[^\]\\])+)\]|\\(.)|([^*?[\\])/suy
  let source = ''
  while (token.lastIndex < pattern.length) {
    const match = token.exec(pattern)
    if (match === null) throw new ToolError('PATTERN_INVALID', `invalid pattern ${JSON.stringify(pattern)}`)
    source += translate(match)
  }
  try {
    return new RegExp(`^${source}$`, 'su')
  } catch (cause) {
    throw new ToolError('PATTERN_INVALID', `invalid pattern ${JSON.stringify(pattern)}`, { cause })
  }
}

function translate([whole, negated, members, escaped, plain]: RegExpExecArray): string {
  if (whole.startsWith('*')) return '[^/]*'
  if (whole === '?') return '[^/]'
  if (members === undefined) return literal(escaped ?? plain ?? '')
  const inside = members.replace(/\\(.)|[[^]/gsu, (text, char?: string) => literal(char ?? text))
  return `[${negated}${inside}]`
}

function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char
}
