import type { AnyRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'

export interface SplitReferences {
  readonly certain: readonly AnyRecord[]
  readonly guesses: readonly AnyRecord[]
}

/**
 * Splits references into certain ones and guesses, without those that archives have already. A guess whose name without
 * its domain is that of a certain image is left out with a warning, since the registry inside has names without domains.
 *
 * @param options.packed - the full names of images that archives have
 */
export function splitReferences(
  references: readonly AnyRecord[],
  {
    packed,
    warn,
  }: { readonly packed: readonly string[]; readonly warn: (message: string, code: string) => void },
): SplitReferences {
  const wanted = references.filter(record => !packed.includes(fullName(record)))
  const certain = wanted.filter(record => record.guess !== true)
  const taken = new Map([...packed, ...certain.map(fullName)].map(name => [bareName(name), name]))
  const guesses = wanted.filter(record => {
    if (record.guess !== true) return false
    const name = fullName(record)
    const other = taken.get(bareName(name)) ?? name
    taken.set(bareName(name), other)
    if (other === name) return true
    const why = `its name without the domain is that of ${other}`
    warn(`${placeOf(record)}: ${record.reference} is a guess, and is left out: ${why}`, 'PLACE_TAKEN')
    return false
  })
  return { certain, guesses }
}

/** Where an image was found, as `FILE:LINE`. */
export function placeOf({ file = '-', line }: AnyRecord): string {
  return line === undefined ? String(file) : `${file}:${line}`
}

function fullName({ reference }: AnyRecord): string {
  return formatReference(withDefaultTag(parseNormalized(String(reference))))
}

function bareName(name: string): string {
  const { path, tag = '', digest = '' } = parseNormalized(name)
  return `${path}:${tag || digest}`
}
