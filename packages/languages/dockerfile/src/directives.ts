/**
 * Parser directives: `# key = value` lines before anything else.
 *
 *     directive = COMMENT { space } KEY { space } "=" { space } value { space }
 *     KEY       = "syntax" | "escape" | "check"      any case, each once
 *
 * The first line of another form ends them. `syntax` alone is also looked for after a line `#!...`, in lines that begin
 * with `//`, and as a member of a JSON object, so that a file in another language can name its frontend.
 *
 * @module
 */

import { chop } from './lines.js'
import { decodeSource } from './source.js'
import type { Directive } from './syntax.js'

const KNOWN = new Set(['syntax', 'escape', 'check'])
const DIRECTIVE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+)$/

/** Takes the lines of a file one by one, until the directives are over. */
export class DirectiveReader {
  readonly found: Directive[] = []
  readonly #comment: string
  #done = false

  constructor(comment = '#') {
    this.#comment = comment
  }

  /**
   * The directive in `line`, if it is one.
   *
   * @returns a string that says what is wrong, when the line repeats a directive
   */
  read(line: string, number: number): Directive | string | undefined {
    if (this.#done) return undefined
    const match = line.startsWith(this.#comment)
      ? DIRECTIVE.exec(line.slice(this.#comment.length).trim())
      : null
    const name = match?.[1]?.toLowerCase() ?? ''
    if (!KNOWN.has(name)) {
      this.#done = true
      return undefined
    }
    if (this.found.some(one => one.name === name)) return `the directive ${name} is given twice`
    const directive = { name, value: match?.[2] ?? '', line: number }
    this.found.push(directive)
    return directive
  }
}

/** All directives at the head of `text`. A repeated one ends them. */
export function readDirectives(text: string, comment = '#'): readonly Directive[] {
  return directivesOf(text.split('\n'), comment, 1)
}

function directivesOf(lines: readonly string[], comment: string, first: number): readonly Directive[] {
  const reader = new DirectiveReader(comment)
  for (const [index, line] of lines.entries()) {
    const read = reader.read(chop(line), first + index)
    if (typeof read !== 'object') break
  }
  return reader.found
}

export interface DetectedDirective {
  /** The value up to its first blank; for `syntax` this is the image. */
  readonly reference: string
  /** The whole value. */
  readonly value: string
  readonly line: number
}

/** The directive `name` of a Dockerfile, behind a line `#!...` too. */
export function detectDirective(source: string | Uint8Array, name: string): DetectedDirective | undefined {
  const { lines, first } = withoutShebang(source)
  return detected(directivesOf(lines, '#', first), name)
}

/** The frontend that a file in any language names, in one of the forms above. */
export function detectSyntax(source: string | Uint8Array): DetectedDirective | undefined {
  const { lines, first } = withoutShebang(source)
  return (
    detected(directivesOf(lines, '#', first), 'syntax') ??
    detected(directivesOf(lines, '//', first), 'syntax') ??
    detectInJSON(lines.join('\n'), first)
  )
}

function withoutShebang(source: string | Uint8Array): { lines: string[]; first: number } {
  const text = typeof source === 'string' ? source.replace(/^\ufeff/, '') : decodeSource(source)
  const lines = text.split('\n')
  return lines[0]?.startsWith('#!') ? { lines: lines.slice(1), first: 2 } : { lines, first: 1 }
}

function detected(directives: readonly Directive[], name: string): DetectedDirective | undefined {
  const found = directives.find(one => one.name === name)
  if (found === undefined) return undefined
  return { reference: found.value.split(' ', 1)[0] ?? '', value: found.value, line: found.line }
}

function detectInJSON(text: string, line: number): DetectedDirective | undefined {
  if (!text.trimStart().startsWith('{')) return undefined
  try {
    const value: unknown = Object.entries(JSON.parse(text) as object).find(([key]) => key === 'syntax')?.[1]
    return typeof value === 'string' ? { reference: value, value, line } : undefined
  } catch {
    return undefined
  }
}
