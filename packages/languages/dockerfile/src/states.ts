/**
 * Matching of wildcards by walking all states at once: the time is the product of both lengths, whatever the input. A
 * regular expression would backtrack, and `a*a*a*a*b` against a long name would take years.
 *
 * @module
 */

export type Token =
  | { readonly type: 'char'; readonly char: string }
  /** One character that is accepted. */
  | { readonly type: 'one'; readonly accepts: (char: string) => boolean }
  /** One character that is accepted, or none. */
  | { readonly type: 'maybe'; readonly accepts: (char: string) => boolean }
  /** Any number of characters that are accepted. */
  | { readonly type: 'many'; readonly accepts: (char: string) => boolean }
  /** Nothing, or anything that ends with a slash. */
  | { readonly type: 'folders' }
  /** A condition on the place between two characters, each of which is '' at an end of the text. */
  | { readonly type: 'place'; readonly holds: (before: string, after: string) => boolean }

/** A state is the index of the token that comes next. */
export type States = Set<number>

/** Adds a state, and those reached from it without a character. */
export function enter(tokens: readonly Token[], states: States, state: number): States {
  for (let at = state; !states.has(at); at++) {
    states.add(at)
    const type = tokens[at]?.type
    if (type !== 'many' && type !== 'maybe' && type !== 'folders') break
  }
  return states
}

/** Adds the states behind conditions on a place that hold here. */
function pass(tokens: readonly Token[], states: States, [before, after]: readonly [string, string]): void {
  for (const state of states) {
    const token = tokens[state]
    if (token?.type === 'place' && token.holds(before, after)) enter(tokens, states, state + 1)
  }
}

/** The states after one more character. */
export function step(tokens: readonly Token[], states: States, char: string): States {
  const next: States = new Set()
  for (const state of states) {
    const token = tokens[state]
    if (token === undefined || token.type === 'place') continue
    if (token.type === 'folders') {
      next.add(state)
      if (char === '/') enter(tokens, next, state + 1)
    } else if (accepts(token, char)) enter(tokens, next, token.type === 'many' ? state : state + 1)
  }
  return next
}

export function accepts(token: Exclude<Token, { type: 'folders' | 'place' }>, char: string): boolean {
  return token.type === 'char' ? token.char === char : token.accepts(char)
}

/** Whether the tokens match the whole text. */
export function matches(tokens: readonly Token[], text: string): boolean {
  let states = enter(tokens, new Set(), 0)
  let before = ''
  for (const char of text) {
    pass(tokens, states, [before, char])
    states = step(tokens, states, char)
    if (states.size === 0) return false
    before = char
  }
  pass(tokens, states, [before, ''])
  return states.has(tokens.length)
}
