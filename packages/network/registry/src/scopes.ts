/**
 * Scopes: what a token lets its bearer do.
 *
 * ```
 * scope = type ":" name ":" action *( "," action )        "repository:library/debian:pull,push"
 * ```
 *
 * Spec: distribution, "Token Scope Documentation".
 *
 * @module
 */

/** The scope to pull from a repository, or to push as well. */
export function repositoryScope(repository: string, actions: readonly string[]): string | undefined {
  const clean = cleanActions(actions)
  return repository === '' || clean.length === 0 ? undefined : `repository:${repository}:${clean.join(',')}`
}

/** Sorted, each once; `*` stands for all others. */
export function cleanActions(actions: readonly string[]): string[] {
  const unique = new Set(actions.filter(action => action !== ''))
  return unique.has('*') ? ['*'] : [...unique].sort()
}

/** Scopes of one resource merged, sorted; what has no action is dropped, what has another form is kept as it is. */
export function mergeScopes(scopes: readonly string[]): string[] {
  const actions = new Map<string, string[]>()
  const others = new Set<string>()
  for (const scope of scopes) {
    const end = scope.lastIndexOf(':')
    const start = scope.indexOf(':')
    if (scope === '') continue
    if (start === end) others.add(scope)
    else
      actions.set(scope.slice(0, end), [
        ...(actions.get(scope.slice(0, end)) ?? []),
        ...split(scope.slice(end + 1)),
      ])
  }
  const merged = [...actions].flatMap(([resource, list]) => {
    const clean = cleanActions(list)
    return clean.length === 0 ? [] : [`${resource}:${clean.join(',')}`]
  })
  return [...merged, ...others].sort()
}

function split(actions: string): string[] {
  return actions.split(',')
}
