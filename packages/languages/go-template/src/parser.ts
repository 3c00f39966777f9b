/**
 * Parses a template.
 *
 *     list     = { text | action }
 *     action   = pipeline | "if" pipeline | "with" pipeline | "range" pipeline | "else" [ "if" | "with" pipeline ]
 *              | "end" | "define" text | "block" text pipeline | "template" text [ pipeline ] | "break" | "continue"
 *     pipeline = [ variable [ "," variable ] ( ":=" | "=" ) ] command { "|" command }
 *     command  = operand { operand }
 *     operand  = literal | field | variable | name | "(" pipeline ")" [ field ]
 *
 * Spec: Go 1.23, text/template, "Actions", "Pipelines"
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type Piece, pieces } from './lexer.js'
import type { Expression, ParsedTemplate, Pipeline, TemplateNode } from './nodes.js'
import { PipelineParser } from './pipeline.js'

/** How deep blocks may be nested. Deeper ones would exhaust the stack. */
const MAX_DEPTH = 200

/**
 * @param file - its name in messages
 * @throws ToolError `TEMPLATE_INVALID` as `FILE:LINE: ...`
 */
export function parseTemplate(text: string, file: string): ParsedTemplate {
  const parser = new Parser(pieces(text, file), file)
  return { nodes: parser.whole(), defines: parser.defines }
}

/** An action that ends a list: `end`, or an `else` and what stands behind it. */
interface Closing {
  readonly name: string
  readonly words: PipelineParser
  readonly line: number
}

class Parser {
  readonly defines = new Map<string, readonly TemplateNode[]>()
  readonly #pieces: Iterator<Piece, void>
  readonly #file: string
  #depth = 0

  constructor(all: Iterator<Piece, void>, file: string) {
    this.#pieces = all
    this.#file = file
  }

  whole(): readonly TemplateNode[] {
    const { nodes, closing } = this.#list()
    if (closing !== undefined) throw this.#invalid(closing.line, `"${closing.name}" closes nothing`)
    return nodes
  }

  #list(): { readonly nodes: readonly TemplateNode[]; readonly closing: Closing | undefined } {
    const nodes: TemplateNode[] = []
    for (;;) {
      const next = this.#pieces.next()
      if (next.done) return { nodes, closing: undefined }
      const piece = next.value
      if (piece.kind === 'text') {
        nodes.push(piece)
        continue
      }
      const words = new PipelineParser(piece.words, `${this.#file}:${piece.line}`)
      const name = words.keyword()
      if (name === 'end' || name === 'else') return { nodes, closing: { name, words, line: piece.line } }
      const node = this.#node(name, words, piece.line)
      if (node !== undefined) nodes.push(node)
    }
  }

  #node(name: string | undefined, words: PipelineParser, line: number): TemplateNode | undefined {
    switch (name) {
      case undefined:
        return { kind: 'output', pipeline: words.pipeline(), line }
      case 'if':
      case 'with':
      case 'range':
        return this.#branches(name, words.pipeline(), line)
      case 'define':
        this.defines.set(words.text(), this.#body(line))
        return undefined
      case 'block': {
        const block = words.text()
        const pipeline = words.pipeline()
        this.defines.set(block, this.#body(line))
        return { kind: 'template', name: block, pipeline, line }
      }
      case 'template': {
        const text = words.text()
        return { kind: 'template', name: text, pipeline: words.isAtEnd ? undefined : words.pipeline(), line }
      }
      case 'break':
      case 'continue':
        return { kind: name, line }
      default:
        throw this.#invalid(line, `"${name}" is no action`)
    }
  }

  #body(line: number): readonly TemplateNode[] {
    const { nodes, closing } = this.#nested(line)
    if (closing.name !== 'end') throw this.#invalid(closing.line, '"else" belongs to no condition')
    return nodes
  }

  #branches(kind: 'if' | 'with' | 'range', pipeline: Pipeline, line: number): TemplateNode {
    const { nodes: body, closing } = this.#nested(line)
    const otherwise = closing.name === 'end' ? [] : this.#otherwise(kind, closing)
    return { kind, pipeline, body, otherwise, line }
  }

  /** What follows an `else`: a list of its own, or the condition of an `else if`, which shares the `end`. */
  #otherwise(kind: 'if' | 'with' | 'range', { words, line }: Closing): readonly TemplateNode[] {
    if (words.isAtEnd) return this.#body(line)
    const name = words.keyword()
    if (kind === 'range' || (name !== 'if' && name !== 'with'))
      throw this.#invalid(line, 'only "if" and "with" may stand behind "else"')
    return [this.#branches(name, words.pipeline(), line)]
  }

  #nested(line: number): { readonly nodes: readonly TemplateNode[]; readonly closing: Closing } {
    if (++this.#depth > MAX_DEPTH) throw this.#invalid(line, `more than ${MAX_DEPTH} blocks in each other`)
    const { nodes, closing } = this.#list()
    this.#depth--
    if (closing === undefined) throw this.#invalid(line, 'this action has no "end"')
    return { nodes, closing }
  }

  #invalid(line: number, why: string): ToolError {
    return new ToolError('TEMPLATE_INVALID', `${this.#file}:${line}: ${why}`)
  }
}

/** The expressions of a template, those of its defines included, outermost first. */
export function* expressionsOf({ nodes, defines }: ParsedTemplate): Generator<Expression, void, void> {
  for (const list of [nodes, ...defines.values()]) yield* inNodes(list)
}

function* inNodes(nodes: readonly TemplateNode[]): Generator<Expression, void, void> {
  for (const node of nodes) {
    if ('pipeline' in node && node.pipeline !== undefined) yield* inPipeline(node.pipeline)
    if ('body' in node) {
      yield* inNodes(node.body)
      yield* inNodes(node.otherwise)
    }
  }
}

function* inPipeline({ commands }: Pipeline): Generator<Expression, void, void> {
  for (const expression of commands.flat()) {
    yield expression
    if (expression.kind === 'parentheses') yield* inPipeline(expression.pipeline)
  }
}
