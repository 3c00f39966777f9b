/**
 * The text that a template gives, and the line of the template that each of its lines comes from.
 *
 * @module
 */

import { type Budget, LimitError } from './budget.js'

/** The most characters that one template gives. The largest bundles of manifests have four million. */
const MAX_CHARACTERS = 4 * 1024 * 1024

export class Output {
  readonly #parts: string[] = []
  /** The template's line for each line of the output; undefined where it is still blank. */
  readonly #lines: (number | undefined)[] = [undefined]
  readonly #budget: Budget
  #size = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /**
   * @param line - the template's line of the first character
   * @param counts - whether further lines of the text are further lines of the template
   */
  add(text: string, { line, counts }: { readonly line: number; readonly counts: boolean }): void {
    this.#size += text.length
    this.#budget.spend(text.length)
    if (this.#size > MAX_CHARACTERS) throw new LimitError(`more than ${MAX_CHARACTERS} characters`)
    this.#parts.push(text)
    const rows = text.split('\n')
    for (const [index, row] of rows.entries()) {
      if (index > 0) this.#lines.push(undefined)
      if (row.trim() !== '') this.#lines[this.#lines.length - 1] ??= counts ? line + index : line
    }
  }

  get text(): string {
    return this.#parts.join('')
  }

  /** For each line of the text the line of the template, from 1; undefined for blank ones. */
  get lines(): readonly (number | undefined)[] {
    return this.#lines
  }
}
