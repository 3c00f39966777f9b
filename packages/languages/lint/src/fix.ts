/**
 * Findings that can be mended without changing what the image does.
 *
 *     FromAsCasing          `as` in the case of its FROM
 *     SortedPackages        the packages of one call in order; options and the breaks of lines stay where they are
 *     JSONArgsRecommended   CMD and ENTRYPOINT of plain words in one line as a list
 *
 * @module
 */

import type { Finding } from './collector.js'
import { installs, packageCall } from './package-managers.js'

/** Words that a shell takes as they are, and that are no programs of the shell itself. */
const PLAIN = /^[\w./:@%+,-][\w./:=@%+,-]*$/
const OF_THE_SHELL = new Set('. : cd eval exec exit export read set source trap umask unset wait'.split(' '))

/**
 * Mends what is safe to mend. Findings whose place cannot be found again for certain are left.
 *
 * @param text - the file, each byte one character, so that what is no UTF-8 stays as it is
 * @param findings - what the linter found in it
 * @returns the new text; the same where there is nothing to mend
 */
export function fixText(text: string, findings: readonly Finding[]): string {
  const lines = text.split('\n')
  for (const { rule, line, endLine } of findings) {
    const range = lines.slice(line - 1, endLine)
    const fixed = FIXES[rule]?.(range.join('\n'))
    // The number of lines stays, so that the other findings keep their places.
    if (fixed !== undefined && fixed.split('\n').length === range.length)
      lines.splice(line - 1, range.length, ...fixed.split('\n'))
  }
  return lines.join('\n')
}

const FIXES: Readonly<Partial<Record<Finding['rule'], (source: string) => string>>> = {
  FromAsCasing: source => source.replace(/(?<=\s)as(?=\s+\S+\s*$)/i, as => inCaseOf(source, as)),
  JSONArgsRecommended: source => source.replace(/(?<=^\s*(?:cmd|entrypoint)\s+)\S[^\n]*?(?=\s*$)/i, listForm),
  SortedPackages: sortPackages,
}

/** `as` in the case of the keyword at the head of the line; as it is where that has both cases. */
function inCaseOf(source: string, as: string): string {
  const from = source.trimStart().split(/\s/, 1)[0] ?? ''
  if (from === from.toLowerCase()) return as.toLowerCase()
  return from === from.toUpperCase() ? as.toUpperCase() : as
}

/** The list form of a command of plain words; any other as it is. */
function listForm(command: string): string {
  const words = command.split(/[ \t]+/)
  const [program = ''] = words
  const isPlain = words.every(word => PLAIN.test(word)) && !program.includes('=')
  if (!isPlain || OF_THE_SHELL.has(program)) return command
  return `[${words.map(word => JSON.stringify(word)).join(', ')}]`
}

interface Token {
  readonly text: string
  readonly at: number
}

/** Sorts the operands of every install call in an instruction that has neither comments nor quotes. */
function sortPackages(source: string): string {
  if (/^\s*#/m.test(source) || /["'`$<]/.test(source)) return source
  const tokens = [...source.matchAll(/&&|\|\||[;|&()]|[^\s;|&()\\]+/g)].map(
    (match): Token => ({ text: match[0], at: match.index }),
  )
  let result = source
  for (const call of callsOf(tokens)) result = withSorted(result, call)
  return result
}

/** The tokens of each simple command. A sorted call keeps its length, so that the places of the others stay. */
function callsOf(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const calls: Token[][] = [[]]
  for (const token of tokens) {
    if (/^[;|&()]/.test(token.text)) calls.push([])
    else calls.at(-1)?.push(token)
  }
  return calls
}

function withSorted(source: string, tokens: readonly Token[]): string {
  const start = tokens.findIndex(({ text }) => packageCall([text]) !== undefined)
  const call = start < 0 ? undefined : packageCall(tokens.slice(start).map(({ text }) => text))
  if (call === undefined || !installs(call) || call.operands.length < 2) return source
  // The operands stand in their order among the options, from the subcommand on.
  const places: Token[] = []
  for (const token of tokens.slice(start + 1))
    if (token.text === call.operands[places.length] && !call.manager.valued.has(beforeOf(tokens, token)))
      places.push(token)
  if (places.length !== call.operands.length) return source
  const sorted = [...call.operands].sort()
  const parts: string[] = []
  let done = 0
  places.forEach(({ text, at }, index) => {
    parts.push(source.slice(done, at), sorted[index] ?? text)
    done = at + text.length
  })
  return parts.join('') + source.slice(done)
}

const beforeOf = (tokens: readonly Token[], token: Token): string =>
  tokens[tokens.indexOf(token) - 1]?.text ?? ''
