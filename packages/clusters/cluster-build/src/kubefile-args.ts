import type { KubefileRecord } from './kubefile-plan.js'

/** The argument that a build sets itself. */
const OWN = 'SOURCE_DATE_EPOCH'
const NEXT_ARGUMENT = /,(?=[A-Za-z0-9_]+=)/

/**
 * The ARGs of a classic Kubefile. They hold for the whole file, wherever they stand. `--build-arg` overrides them and
 * may add others; one option may hold several, `A=1,B=2`. An ARG without a value is absent.
 */
export function kubefileArgs(
  declared: readonly KubefileRecord[],
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const record of declared)
    for (const arg of record.args) {
      const sign = arg.indexOf('=')
      if (sign >= 0) values.set(arg.slice(0, sign), arg.slice(sign + 1))
    }
  for (const [name, value] of given) {
    if (name === OWN) continue
    const [first = '', ...rest] = value.split(NEXT_ARGUMENT)
    values.set(name, first)
    for (const pair of rest) values.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
  }
  return values
}
