/** Templates want more steps, characters or nesting than they may have. */
export class LimitError extends Error {}

/** Templates call each other, or nest, without end. */
export class NestingError extends LimitError {}

/** How many nodes, calls and items the templates of a chart may take in all. */
const MAX_STEPS = 2_000_000
/** How many characters they may make in all, those of texts that are never printed included. */
const MAX_CHARACTERS = 64 * 1024 * 1024
/** How deep calls, blocks and parentheses may lie in each other. Each level takes some of the stack. */
const MAX_LEVELS = 400

/** What the templates of one chart may cost. */
export class Budget {
  #steps = MAX_STEPS
  #characters = MAX_CHARACTERS
  #levels = 0

  /** @throws LimitError */
  step(count = 1): void {
    this.#steps -= count
    if (this.#steps < 0) throw new LimitError(`more than ${MAX_STEPS} steps`)
  }

  /** @throws LimitError before the characters are made */
  spend(characters: number): void {
    this.#characters -= characters
    if (this.#characters < 0) throw new LimitError(`more than ${MAX_CHARACTERS} characters`)
  }

  /**
   * Does the work of one more level.
   *
   * @throws NestingError
   */
  nested<T>(work: () => T): T {
    if (this.#levels >= MAX_LEVELS)
      throw new NestingError(`more than ${MAX_LEVELS} calls, blocks and parentheses in each other`)
    this.#levels++
    try {
      return work()
    } finally {
      this.#levels--
    }
  }
}
