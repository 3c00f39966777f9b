import { ToolError } from '@pipelayer/errors'
import type { Word } from './lexer.js'
import type { Command, Expression, Pipeline } from './nodes.js'
import type { Value } from './value.js'

const KEYWORDS = new Set([
  'if',
  'with',
  'range',
  'else',
  'end',
  'define',
  'block',
  'template',
  'break',
  'continue',
])
const WORDS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ['true', true],
  ['false', false],
  ['nil', undefined],
])
/** How deep parentheses may be nested. Deeper ones would exhaust the stack. */
const MAX_DEPTH = 100

/** Parses the words of one action. */
export class PipelineParser {
  readonly #words: readonly Word[]
  readonly #place: string
  #at = 0
  #depth = 0

  /** @param place - `FILE:LINE`, for messages */
  constructor(words: readonly Word[], place: string) {
    this.#words = words
    this.#place = place
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#words.length
  }

  /** The keyword that comes next; undefined if none does. */
  keyword(): string | undefined {
    const word = this.#words[this.#at]
    if (word?.kind !== 'name' || !KEYWORDS.has(word.text)) return undefined
    this.#at++
    return word.text
  }

  /** The name of a template. @throws ToolError `TEMPLATE_INVALID` */
  text(): string {
    const word = this.#words[this.#at++]
    if (word?.kind !== 'text') throw this.#invalid('the name of a template is missing')
    return word.text
  }

  /** The pipeline up to the end of the action. @throws ToolError `TEMPLATE_INVALID` */
  pipeline(): Pipeline {
    const pipeline = this.#pipeline()
    if (!this.isAtEnd) throw this.#invalid(`unexpected "${this.#words[this.#at]?.text}"`)
    return pipeline
  }

  #pipeline(): Pipeline {
    const { variables, assigns } = this.#declaration()
    const commands: Command[] = [this.#command()]
    while (this.#takes('|')) commands.push(this.#command())
    return { variables, assigns, commands }
  }

  #declaration(): Pick<Pipeline, 'variables' | 'assigns'> {
    const [first, comma, second, last] = this.#words.slice(this.#at, this.#at + 4)
    const isPair = comma?.text === ',' && second?.kind === 'variable'
    const sign = isPair ? last : comma
    if (first?.kind !== 'variable' || sign?.kind !== 'sign' || !/^:?=$/.test(sign.text))
      return { variables: [], assigns: false }
    this.#at += isPair ? 4 : 2
    const names = isPair ? [first.text, second.text] : [first.text]
    return { variables: names.map(name => name.slice(1)), assigns: sign.text === '=' }
  }

  #command(): Command {
    const head = this.#operand()
    if (head === undefined) throw this.#invalid('a value is missing')
    const rest: Expression[] = []
    for (let next = this.#operand(); next !== undefined; next = this.#operand()) rest.push(next)
    return [head, ...rest]
  }

  #operand(): Expression | undefined {
    const word = this.#words[this.#at]
    if (word === undefined) return undefined
    if (word.kind === 'sign' && word.text === '(') return this.#parentheses()
    if (word.kind === 'sign') return undefined
    this.#at++
    if (word.kind === 'text') return { kind: 'literal', value: word.text }
    if (word.kind === 'number') return { kind: 'literal', value: this.#number(word.text) }
    if (word.kind === 'character') return { kind: 'literal', value: BigInt(word.text.codePointAt(0) ?? 0) }
    if (word.kind === 'field') return { kind: 'field', fields: fieldsOf(word.text) }
    if (word.kind === 'variable') {
      const [name = '', ...fields] = word.text.slice(1).split('.')
      return { kind: 'variable', name, fields }
    }
    if (KEYWORDS.has(word.text)) throw this.#invalid(`unexpected "${word.text}"`)
    if (WORDS.has(word.text)) return { kind: 'literal', value: WORDS.get(word.text) }
    return { kind: 'function', name: word.text }
  }

  #parentheses(): Expression {
    if (++this.#depth > MAX_DEPTH) throw this.#invalid(`more than ${MAX_DEPTH} parentheses in each other`)
    this.#at++
    const pipeline = this.#pipeline()
    if (!this.#takes(')')) throw this.#invalid('a parenthesis does not end')
    this.#depth--
    const next = this.#words[this.#at]
    const hasFields = next?.kind === 'field' && next.isClose
    if (hasFields) this.#at++
    return { kind: 'parentheses', pipeline, fields: hasFields ? fieldsOf(next.text) : [] }
  }

  #takes(sign: string): boolean {
    const word = this.#words[this.#at]
    if (word?.kind !== 'sign' || word.text !== sign) return false
    this.#at++
    return true
  }

  #number(text: string): Value {
    const plain = text.replaceAll('_', '')
    const integer = /^[-+]?(?:0[xX][\da-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|\d+)$/.test(plain)
    const [, sign = '', digits = ''] = /^([-+]?)(.*)$/.exec(plain) ?? []
    if (integer) {
      const size = BigInt(/^0\d/.test(digits) ? `0o${digits.slice(1)}` : digits)
      return sign === '-' ? -size : size
    }
    const [, whole = '', power = ''] = /^0[xX]([\da-fA-F]+)[pP]([-+]?\d{1,4})$/.exec(digits) ?? []
    const number = whole === '' ? Number(plain) : Number.parseInt(whole, 16) * 2 ** Number(power)
    if (Number.isNaN(number)) throw this.#invalid(`"${text}" is no number`)
    return number
  }

  #invalid(why: string): ToolError {
    return new ToolError('TEMPLATE_INVALID', `${this.#place}: ${why}`)
  }
}

function fieldsOf(text: string): readonly string[] {
  return text === '.' ? [] : text.slice(1).split('.')
}
