/**
 * Scopes, which name the actions that a token permits.
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

/** The actions sorted and without repetitions; `*` stands for all others. */
export function cleanActions(actions: readonly string[]): string[] {
  const unique = new Set(actions.filter(action => action !== ''))
  return unique.has('*') ? ['*'] : [...unique].sort()
}

/**
 * The scopes sorted, with those of one resource merged. A scope without actions is dropped; one of another form is kept
 * unchanged.
 */
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
