/**
 * Checks the `--flags` of an instruction against the flags that it may have, and reads their values.
 *
 * A boolean flag has no value, or `true` or `false` in any case; a text flag needs `=value`; only a list flag may be
 * repeated.
 *
 * @module
 */

import type { InstructionFields } from './instruction.js'
import { Subject } from './subject.js'
import { suggest } from './suggest.js'

export type FlagType = 'boolean' | 'text' | 'list'
export type DeclaredFlags = Readonly<Record<string, FlagType>>

/** The values by flag. A flag that is not given is undefined, or an empty list. */
export type FlagValues<D extends DeclaredFlags> = {
  -readonly [K in keyof D]: D[K] extends 'list'
    ? readonly string[]
    : (D[K] extends 'boolean' ? boolean : string) | undefined
}

/** @throws ToolError `DOCKERFILE_INVALID` for a flag that is unknown, repeated or has a wrong value */
export function readFlagValues<D extends DeclaredFlags>(
  fields: InstructionFields,
  declared: D,
): FlagValues<D> {
  return flagValues(new Subject(fields), declared)
}

/** {@link readFlagValues} for the instruction that is being interpreted. */
export function flagValues<D extends DeclaredFlags>(subject: Subject, declared: D): FlagValues<D> {
  const values = new Map<string, unknown>()
  for (const [name, type] of Object.entries(declared)) values.set(name, type === 'list' ? [] : undefined)
  for (const flag of subject.fields.flags) {
    if (flag === '--') break
    if (!flag.startsWith('--'))
      return subject.fail(`flag ${subject.quote(flag)} does not begin with --`, flag)
    const { name, value } = splitFlag(flag.slice(2))
    const type = Object.hasOwn(declared, name) ? declared[name] : undefined
    if (type === undefined) return subject.fail(unknownFlag(name, Object.keys(declared)), flag)
    const before = values.get(name)
    const read = readValue(type, value)
    if (read === undefined) return subject.fail(`${wrongValue(type, value)} --${name}`, flag)
    if (type !== 'list' && before !== undefined) return subject.fail(`flag --${name} is given twice`, flag)
    values.set(name, type === 'list' ? [...(before as string[]), read] : read)
  }
  // Each declared name is in the map, with a value of its type.
  return Object.fromEntries(values) as FlagValues<D>
}

function splitFlag(text: string): { name: string; value: string | undefined } {
  const sign = text.indexOf('=')
  return sign < 0
    ? { name: text, value: undefined }
    : { name: text.slice(0, sign), value: text.slice(sign + 1) }
}

function readValue(type: FlagType, value: string | undefined): string | boolean | undefined {
  if (type !== 'boolean') return value
  if (value === undefined) return true
  const lower = value.toLowerCase()
  return lower === 'true' ? true : lower === 'false' ? false : undefined
}

function wrongValue(type: FlagType, value: string | undefined): string {
  if (type !== 'boolean') return 'a value is missing: write = behind'
  return value === '' ? 'a value is missing behind = of' : 'neither true nor false is the value of'
}

function unknownFlag(name: string, known: readonly string[]): string {
  const similar = suggest(name, known)
  return `unknown flag --${name}${similar === undefined ? '' : ` (did you mean --${similar}?)`}`
}
