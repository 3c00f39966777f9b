/**
 * Versions, and constraints such as `>=1.19-0 <2 || ^3`.
 *
 * Spec: github.com/Masterminds/semver v3, "Checking Version Constraints"
 *
 * @module
 */

export interface Version {
  readonly numbers: readonly [major: number, minor: number, patch: number]
  readonly prerelease: string
  /** How many of the numbers are written. */
  readonly written: number
}

const VERSION = /^v?(\d{1,9})(?:\.(\d{1,9}|[xX*]))?(?:\.(\d{1,9}|[xX*]))?(?:-([\w.-]{1,200}))?(?:\+[\w.-]*)?$/
const PART = /^(=|!=|>=|=>|<=|=<|>|<|~>|~|\^)?\s*(\S+)$/

/** Undefined if the text is no version. */
export function versionOf(text: string): Version | undefined {
  const [all, major = '', minor, patch, prerelease = ''] = VERSION.exec(text.trim()) ?? []
  if (all === undefined) return undefined
  const numbers = [major, minor, patch].map(part => (/^\d+$/.test(part ?? '') ? Number(part) : 0))
  const written = [major, minor, patch].filter(part => /^\d+$/.test(part ?? '')).length
  return { numbers: [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0], prerelease, written }
}

/** Undefined if the constraint or the version cannot be read. */
export function fitsConstraint(constraint: string, text: string): boolean | undefined {
  const version = versionOf(text)
  if (version === undefined || constraint.length > 1000) return undefined
  const choices = constraint.split('||').map(choice => fitsAll(choice, version))
  return choices.includes(undefined) ? undefined : choices.includes(true)
}

function fitsAll(choice: string, version: Version): boolean | undefined {
  // A blank separates constraints, unless it stands behind an operator.
  const parts = choice
    .trim()
    .replace(/([=<>~^])\s+/g, '$1')
    .split(/[\s,]+/)
  const results = parts.map(part => fits(part, version))
  return results.includes(undefined) ? undefined : !results.includes(false)
}

function fits(part: string, version: Version): boolean | undefined {
  if (part === '*' || part === '') return version.prerelease === ''
  const [, sign = '=', text = ''] = PART.exec(part) ?? []
  const wanted = versionOf(text)
  if (wanted === undefined) return undefined
  // A version before its release fits only where the constraint names one, too: `>=1.19-0`.
  if (version.prerelease !== '' && wanted.prerelease === '') return false
  const order = compare(version, wanted)
  if (sign === '>=' || sign === '=>') return order >= 0
  if (sign === '<=' || sign === '=<') return order <= 0
  if (sign === '>') return order > 0
  if (sign === '<') return order < 0
  if (sign === '!=') return order !== 0
  if (sign === '=')
    return wanted.written === 3 ? order === 0 : order >= 0 && isAlike(version, wanted, wanted.written)
  const kept = sign === '^' ? leading(wanted) : Math.min(wanted.written, 2)
  return order >= 0 && isAlike(version, wanted, kept)
}

/** How many numbers `^` keeps: those up to the first that is not 0. */
function leading({ numbers, written }: Version): number {
  const at = numbers.findIndex(one => one > 0)
  return at < 0 ? written : at + 1
}

function isAlike(a: Version, b: Version, count: number): boolean {
  return a.numbers.slice(0, count).every((one, at) => one === b.numbers[at])
}

function compare(a: Version, b: Version): number {
  for (const [at, one] of a.numbers.entries()) {
    const other = b.numbers[at] ?? 0
    if (one !== other) return one - other
  }
  if (a.prerelease === b.prerelease) return 0
  if (a.prerelease === '' || b.prerelease === '') return a.prerelease === '' ? 1 : -1
  return a.prerelease < b.prerelease ? -1 : 1
}
