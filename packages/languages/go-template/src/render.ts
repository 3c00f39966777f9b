/**
 * Renders templates as far as their values are known.
 *
 * @module
 */

import { Budget, LimitError, NestingError } from './budget.js'
import { pipelineValue, type Surroundings, type TemplateFunction } from './evaluate.js'
import { functionsWith } from './functions.js'
import type { ParsedTemplate, Pipeline, TemplateNode } from './nodes.js'
import { Output } from './output.js'
import { parseTemplate } from './parser.js'
import { Scope } from './scope.js'
import { HOLE, isList, isMap, isTrue, printed, UNKNOWN, type Value } from './value.js'

export interface Rendered {
  readonly text: string
  /** For each line of the text, the line of the template that it comes from; undefined for blank ones. */
  readonly lines: readonly (number | undefined)[]
}

export interface RendererOptions {
  /** Functions besides those of Go and Sprig that are here; they go before those. */
  readonly functions?: ReadonlyMap<string, TemplateFunction>
  /** Is called where a whole template is missing in the text: no such name, or one that calls itself without end. */
  readonly onLoss?: () => void
}

type Leap = 'break' | 'continue' | undefined

/** Where nodes are rendered to. */
interface Place {
  readonly output: Output
  readonly scope: Scope
  readonly dot: Value
  /** The line of the action that called this template, of which only that line is known. */
  readonly line?: number | undefined
}

/**
 * The templates of a chart, which may call each other, and one budget for all of them.
 *
 * What cannot be known stands as {@link HOLE} in the text. If a condition is not known, both of its branches are
 * rendered, and a `range` over something unknown once.
 *
 * Cost: at most two million steps and 64 Mi characters in all, 400 levels of calls and blocks.
 *
 * ```ts
 * const renderer = new Renderer()
 * renderer.render(parseTemplate('image: {{ .name | default "nginx" }}', 'a.yaml'), new Map()).text
 * ```
 */
export class Renderer {
  readonly #defines = new Map<string, readonly TemplateNode[]>()
  readonly #budget = new Budget()
  readonly #functions: ReadonlyMap<string, TemplateFunction>
  readonly #onLoss: () => void
  /** How many templates are being rendered whose text is a value. */
  #open = 0

  constructor({ functions, onLoss = () => undefined }: RendererOptions = {}) {
    this.#onLoss = onLoss
    const own = new Map<string, TemplateFunction>([
      ['include', ([name, data]) => this.#include(name, data)],
      ['tpl', ([text, data]) => this.#textTemplate(text, data)],
    ])
    this.#functions = new Map([...functionsWith(this.#budget), ...own, ...(functions ?? [])])
  }

  /** Adds the named templates of a text. One of the same name replaces an earlier one. */
  define({ defines }: Pick<ParsedTemplate, 'defines'>): void {
    for (const [name, nodes] of defines) this.#defines.set(name, nodes)
  }

  /** @throws Error a `LimitError` when the budget of all templates is spent: see {@link isLimit} */
  render({ nodes }: ParsedTemplate, data: Value): Rendered {
    const output = new Output(this.#budget)
    this.#nodes(nodes, { output, scope: new Scope(undefined, data), dot: data })
    return { text: output.text, lines: output.lines }
  }

  #include(name: Value, data: Value): Value {
    const nodes = typeof name === 'string' ? this.#defines.get(name) : undefined
    return nodes === undefined ? this.#lost() : this.#textOf(nodes, data)
  }

  #lost(): Value {
    this.#onLoss()
    return UNKNOWN
  }

  /** What a template gives as a value: unknown if it calls itself without end. */
  #textOf(nodes: readonly TemplateNode[], data: Value): Value {
    const output = new Output(this.#budget)
    this.#open++
    try {
      this.#called(nodes, { output, data, line: 1 })
      return output.text
    } catch (error) {
      // The outermost call is unknown, so that what lies around it is rendered all the same.
      if (error instanceof NestingError && this.#open === 1) return this.#lost()
      throw error
    } finally {
      this.#open--
    }
  }

  #called(
    nodes: readonly TemplateNode[],
    { output, data, line }: { readonly output: Output; readonly data: Value; readonly line: number },
  ): void {
    this.#budget.nested(() =>
      this.#nodes(nodes, { output, scope: new Scope(undefined, data), dot: data, line }),
    )
  }

  #textTemplate(text: Value, data: Value): Value {
    if (typeof text !== 'string') return text === undefined ? '' : UNKNOWN
    if (!text.includes('{{')) return text
    this.#budget.spend(text.length)
    try {
      return this.#textOf(parseTemplate(text, 'tpl').nodes, data)
    } catch (error) {
      if (error instanceof LimitError) throw error
      return this.#lost()
    }
  }

  #nodes(nodes: readonly TemplateNode[], place: Place): Leap {
    for (const node of nodes) {
      this.#budget.step()
      const leap = this.#node(node, place)
      if (leap !== undefined) return leap
    }
    return undefined
  }

  #node(node: TemplateNode, place: Place): Leap {
    const line = place.line ?? node.line
    switch (node.kind) {
      case 'text':
        place.output.add(node.text, { line, counts: place.line === undefined })
        return undefined
      case 'output': {
        const value = pipelineValue(node.pipeline, this.#around(place))
        if (node.pipeline.variables.length === 0) place.output.add(printed(value), { line, counts: false })
        return undefined
      }
      case 'template': {
        const data = node.pipeline && pipelineValue(node.pipeline, this.#around(place))
        const text = this.#include(node.name, data)
        place.output.add(text === UNKNOWN ? HOLE : printed(text), { line, counts: false })
        return undefined
      }
      case 'range':
        return this.#budget.nested(() => this.#range(node, place))
      case 'if':
      case 'with':
        return this.#budget.nested(() => this.#condition(node, place))
      default:
        return node.kind
    }
  }

  #condition(node: Extract<TemplateNode, { kind: 'if' | 'with' | 'range' }>, place: Place): Leap {
    const scope = new Scope(place.scope)
    const value = pipelineValue(node.pipeline, { ...this.#around(place), scope })
    const holds = isTrue(value)
    const inside: Place = node.kind === 'with' ? { ...place, scope, dot: value } : { ...place, scope }
    const leap = holds === false ? undefined : this.#nodes(node.body, inside)
    // A jump out of a branch that may not be taken is not followed.
    if (holds === true) return leap
    const other = this.#nodes(node.otherwise, { ...place, scope })
    return holds === undefined ? undefined : other
  }

  #range(node: Extract<TemplateNode, { kind: 'if' | 'with' | 'range' }>, place: Place): Leap {
    const { variables } = node.pipeline
    const scope = new Scope(place.scope)
    const value = pipelineValue(withoutVariables(node.pipeline), { ...this.#around(place), scope })
    const items = itemsOf(value)
    if (items.length === 0) return this.#nodes(node.otherwise, { ...place, scope })
    for (const [key, item] of items) {
      this.#budget.step()
      const inner = new Scope(scope)
      const [first, second] = variables
      if (first !== undefined) inner.declare(first, second === undefined ? item : key)
      if (second !== undefined) inner.declare(second, item)
      if (this.#nodes(node.body, { ...place, scope: inner, dot: item }) === 'break') break
    }
    return undefined
  }

  #around({ scope, dot }: Place): Surroundings {
    return { scope, dot, budget: this.#budget, functions: name => this.#functions.get(name) }
  }
}

/** Whether an error says that templates cost more than they may. */
export function isLimit(error: unknown): error is Error {
  return error instanceof LimitError
}

function withoutVariables(pipeline: Pipeline): Pipeline {
  return { ...pipeline, variables: [] }
}

/** The keys and values that `range` goes through; a map is taken in the order of its keys. */
function itemsOf(value: Value): readonly (readonly [Value, Value])[] {
  if (value === UNKNOWN) return [[UNKNOWN, UNKNOWN]]
  if (isList(value)) return value.map((item, index) => [BigInt(index), item] as const)
  if (isMap(value)) return [...value].sort(([a], [b]) => (a < b ? -1 : 1))
  if (typeof value === 'bigint' || typeof value === 'number')
    return Array.from({ length: Math.min(Math.max(Number(value), 0), 10_000) }, (_, index) => {
      return [BigInt(index), BigInt(index)] as const
    })
  return []
}
