import type { Variables } from './types.js'

/**
 * Reads variables as `NAME=VALUE`. A name that comes several times has several values, and so has one whose values are
 * separated by `;`. Text without `=` is a name with an empty value.
 *
 * Spec: sealerio/sealer v0.7.1, docs of Clusterfile, `env`.
 */
export function parseVariables(texts: readonly string[]): Variables {
  const found = new Map<string, string[]>()
  for (const text of texts) {
    const sign = text.indexOf('=')
    const name = (sign < 0 ? text : text.slice(0, sign)).trim()
    const values = sign < 0 ? [''] : text.slice(sign + 1).split(';')
    if (name !== '') found.set(name, [...(found.get(name) ?? []), ...values])
  }
  return Object.fromEntries(found)
}

/** The variables of a host: its own win over those of the cluster. */
export function mergeVariables(cluster: Variables, own: Variables): Variables {
  return { ...cluster, ...own }
}
