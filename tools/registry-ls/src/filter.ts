import { ToolError } from '@pipelayer/errors'

export type Filter = (name: string) => boolean

export interface FilterOptions {
  readonly filter?: string | undefined
  readonly match?: string | undefined
}

/**
 * A filter by a glob and by a regular expression, if they are given.
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

/** The repositories and tags that a listing with tags shows. */
export interface TagFilter {
  /** Returns false if no tag of the repository can pass. */
  readonly repository: Filter
  /** Filters texts of the form `PATH:TAG`. */
  readonly tag: Filter
}

/**
 * A filter for the tags of many repositories. A glob `PATH:TAG` is matched separately against the path and the tag; a
 * glob without a colon is matched against the path, and all tags pass.
 *
 * @throws ToolError `USAGE` of status 2
 */
export function tagFilterOf({ filter, match }: FilterOptions): TagFilter {
  const [path, tag] = filter === undefined ? [] : cutAtColon(filter)
  const repository = filterOf({ filter: path })
  const tags = filterOf({ filter: tag })
  const whole = filterOf({ match })
  // Neither a path nor a tag contains a colon, so the first one separates them.
  return { repository, tag: name => tags(name.slice(name.indexOf(':') + 1)) && whole(name) }
}

/** Whether a glob contains a colon that must match itself, although neither a path nor a tag has one. */
export function hasColon(glob: string): boolean {
  return cutAtColon(glob).length > 1
}

// Splits at the first colon that is neither escaped nor in a set.
function cutAtColon(glob: string): readonly string[] {
  for (const { 0: part, index } of glob.matchAll(/\\.|\[!?[^\]]+\]|:/gs))
    if (part === ':') return [glob.slice(0, index), glob.slice(index + 1)]
  return [glob]
}

/** `*` and `?` stop at a slash, `**` does not; `[a-z]` and `[!a]` are sets; a backslash takes the next as it is. */
function globSource(glob: string): string {
  const parts = glob.replace(/\\(.)|\*\*|\*|\?|\[(!?)([^\]]+)\]|[.+^${}()|[\]\\/]/gs, replacement)
  return `^${parts}$`
}

function replacement(part: string, ...groups: (string | undefined)[]): string {
  const [escaped, negation, set] = groups
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
