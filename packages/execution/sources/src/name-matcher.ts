import { ignoreMatcher } from '@pipelayer/dockerfile'

/** Matches names, as binary strings, against the patterns of .dockerignore. */
export interface NameMatcher {
  /** Whether the name, or a directory above it, matches. */
  readonly matches: (name: string) => boolean
  /** Whether a file that does not match is copied without its content, see `IgnoreMatcher`. */
  readonly empties: (name: string) => boolean
  /** Some pattern begins with `!`, so that names below a matching directory may not match. */
  readonly hasNegation: boolean
}

export function nameMatcher(patterns: readonly string[]): NameMatcher {
  if (patterns.length === 0) return { matches: () => false, empties: () => false, hasNegation: false }
  const matcher = ignoreMatcher(patterns)
  return {
    matches: name => matcher.ignores(textOf(name)),
    empties: name => matcher.empties(textOf(name)),
    hasNegation: matcher.hasExceptions,
  }
}

/** A binary string as text, since patterns are text, and their `?` stands for a character, not a byte. */
export function textOf(binary: string): string {
  return Buffer.from(binary, 'latin1').toString('utf8')
}
