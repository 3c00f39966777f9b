import { UNKNOWN, type Value } from './value.js'

/** The variables of a block, and those of the blocks around it. */
export class Scope {
  readonly #variables = new Map<string, Value>()
  readonly #outer: Scope | undefined

  /** @param root - the value of `$` where a template begins */
  constructor(outer: Scope | undefined, root?: Value) {
    this.#outer = outer
    if (outer === undefined) this.#variables.set('', root)
  }

  get(name: string): Value {
    const holder = this.#holder(name)
    return holder === undefined ? UNKNOWN : holder.#variables.get(name)
  }

  declare(name: string, value: Value): void {
    this.#variables.set(name, value)
  }

  /** Sets a variable where it was declared. */
  assign(name: string, value: Value): void {
    const holder = this.#holder(name) ?? this
    holder.declare(name, value)
  }

  #holder(name: string): Scope | undefined {
    let at: Scope | undefined = this
    while (at !== undefined && !at.#variables.has(name)) at = at.#outer
    return at
  }
}
