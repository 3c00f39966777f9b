import { ToolError } from '@pipelayer/errors'

export type Filter = (name: string) => boolean

export interface FilterOptions {
  readonly filter?: string | undefined
  readonly match?: string | undefined
}

/**
 * What passes a glob and a regular expression, where they are given.
 *
 * @throws ToolError `USAGE` of status 2
 */
export function filterOf({ filter, match }: FilterOptions): Filter {
  const patterns = [
    ...(filter === undefined ? [] : [compile(globSource(filter), filter)]),
    ...(match === undefined ? [] : [compile(match, match)]),
  ]
  return name => patterns.every(pattern => pattern.test(name))
}

/** `*` and `?` stop at a slash, `**` does not; `[a-z]` and `[!a]` are sets; a backslash takes the next as it is. */
function globSource(glob: string): string {
  const parts = glob.replace(/\\(.)|\*\*|\*|\?|\[(!?)([^\]]+)\]|[.+^${}()|[\]\\/]/gs, replacement)
  return `^${parts}$`
}

function replacement(part: string, escaped?: string, negation?: string, set?: string): string {
  if (escaped !== undefined) return literal(escaped)
  if (set !== undefined) return `[${negation ? '^' : ''}${set.replace(/[\\[\]^]/g, '\\$&')}]`
  if (part === '**') return '.*'
  if (part === '*') return '[^/]*'
  return part === '?' ? '[^/]' : literal(part)
}

function literal(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')
}

function compile(source: string, given: string): RegExp {
  try {
    return new RegExp(source, 'u')
  } catch (cause) {
    const message = `not a pattern: ${JSON.stringify(given)}: ${(cause as Error).message}`
    throw new ToolError('USAGE', message, { cause, status: 2 })
  }
}
