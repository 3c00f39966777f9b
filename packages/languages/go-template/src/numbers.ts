import type { TemplateFunction } from './evaluate.js'
import { fitsConstraint, versionOf } from './semver.js'
import { printed, UNKNOWN, type Value } from './value.js'

type Entry = readonly [string, TemplateFunction]

/** A function of integers, as Sprig's are; unknown if one of its values is no number. */
function ofIntegers(work: (...numbers: bigint[]) => bigint): TemplateFunction {
  return values => {
    const numbers = values.map(integerOf)
    const known = numbers.filter(one => one !== undefined)
    return known.length === numbers.length && known.length > 0 ? work(...known) : UNKNOWN
  }
}

function integerOf(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value)
  if (value === UNKNOWN || value === undefined) return undefined
  const number = Math.trunc(Number(printed(value)))
  return Number.isFinite(number) ? BigInt.asIntN(64, BigInt(number)) : undefined
}

/** Arithmetic, and versions. */
export function numberFunctions(): readonly Entry[] {
  const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
  const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)
  return [
    [
      'add',
      ofIntegers((...all) =>
        BigInt.asIntN(
          64,
          all.reduce((a, b) => a + b),
        ),
      ),
    ],
    ['add1', ofIntegers(one => one + 1n)],
    ['sub', ofIntegers((a, b = 0n) => a - b)],
    ['mul', ofIntegers((...all) => all.reduce((a, b) => BigInt.asIntN(64, a * b)))],
    ['div', ofIntegers((a, b = 0n) => (b === 0n ? 0n : a / b))],
    ['mod', ofIntegers((a, b = 0n) => (b === 0n ? 0n : a % b))],
    ['min', ofIntegers((...all) => all.reduce(least))],
    ['max', ofIntegers((...all) => all.reduce(most))],
    ['ceil', ([value]) => rounded(value, Math.ceil)],
    ['floor', ([value]) => rounded(value, Math.floor)],
    ['round', ([value]) => rounded(value, Math.round)],
    ['semver', ([text]) => versionMap(text)],
    ['semverCompare', ([constraint, version]) => compared(constraint, version)],
  ]
}

function rounded(value: Value, work: (number: number) => number): Value {
  return value === UNKNOWN ? UNKNOWN : work(Number(printed(value)))
}

function versionMap(text: Value): Value {
  const version = typeof text === 'string' ? versionOf(text) : undefined
  if (version === undefined) return UNKNOWN
  const [major, minor, patch] = version.numbers
  return new Map<string, Value>([
    ['Major', BigInt(major)],
    ['Minor', BigInt(minor)],
    ['Patch', BigInt(patch)],
    ['Prerelease', version.prerelease],
  ])
}

function compared(constraint: Value, version: Value): Value {
  if (typeof constraint !== 'string' || typeof version !== 'string') return UNKNOWN
  return fitsConstraint(constraint, version) ?? UNKNOWN
}
