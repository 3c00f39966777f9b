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

/** The repositories, and the tags of them, that a listing of both shows. */
export interface TagFilter {
  /** False where no tag of the repository can pass. */
  readonly repository: Filter
  /** Of `PATH:TAG`. */
  readonly tag: Filter
}

/**
 * What passes among the tags of many repositories. A glob is `PATH:TAG`, each side held to its own; without a colon it is
 * about the path, and all tags pass.
 *
 * @throws ToolError `USAGE` of status 2
 */
export function tagFilterOf({ filter, match }: FilterOptions): TagFilter {
  const [path, tag] = filter === undefined ? [] : cutAtColon(filter)
  const repository = filterOf({ filter: path })
  const tags = filterOf({ filter: tag })
  const whole = filterOf({ match })
  // A path has no colon, and neither has a tag.
  return { repository, tag: name => tags(name.slice(name.indexOf(':') + 1)) && whole(name) }
}

/** True where a glob asks for a colon, which neither a path nor a tag has. */
export function hasColon(glob: string): boolean {
  return cutAtColon(glob).length > 1
}

// The first colon that is neither escaped nor in a set.
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
