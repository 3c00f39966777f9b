/**
 * Judges the comments that describe stages and ARGs, in whatever form a row lists them.
 *
 * @module
 */

import { fileFields, type Instruction, interpretAll, parseDockerfile } from '@pipelayer/dockerfile'
import { same, type Verdict } from './dockerfile.js'

/** The comment that describes a name; empty if there is none. */
type Described = readonly [name: string, comment: string]

interface Row {
  readonly in: { readonly dockerfile?: string; readonly text?: string }
  readonly want: unknown
}

const NAMES = ['name', 'key', 'arg', 'stage']
const COMMENTS = ['comment', 'description', 'doc']

function described(text: string): Described[] {
  return interpretAll(fileFields(parseDockerfile(text), 'Dockerfile')).flatMap(namesOf)
}

function namesOf(instruction: Instruction): Described[] {
  if (instruction.kind === 'from') return [[instruction.name ?? '', instruction.description ?? '']]
  if (instruction.kind !== 'arg') return []
  return instruction.args.map(({ name, description = '' }) => [name, description])
}

/** A name with its comment, a comment alone, or a comment with a name that may be the place where it is stored. */
interface Wanted {
  readonly name?: string
  readonly place?: string
  readonly comment: string
}

function wantedOf(value: unknown): Wanted[] {
  if (value === null || typeof value !== 'object') return []
  if (isPair(value)) return [{ name: value[0], comment: value[1] }]
  const fields = Object.entries(value)
  const inner = fields.flatMap(([, item]) => wantedOf(item))
  const text = (names: readonly string[]): string | undefined =>
    fields.find(([key, item]) => names.includes(key.toLowerCase()) && typeof item === 'string')?.[1]
  const name = text(NAMES)
  const comment = text(COMMENTS)
  if (name !== undefined) return [{ name, comment: comment ?? '' }, ...inner]
  if (comment !== undefined) return [{ comment }, ...inner]
  const texts = fields.filter(([, item]) => typeof item === 'string')
  return [...texts.map(([place, comment]) => ({ place, comment })), ...inner]
}

function isPair(value: object): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every(item => typeof item === 'string')
}

function docComments(row: Row): Verdict {
  const all = described(row.in.dockerfile ?? row.in.text ?? '')
  const wanted = wantedOf(row.want)
  if (wanted.length === 0) return { fail: `the row wants nothing: ${JSON.stringify(row.want)}` }
  const names = new Set(all.map(([name]) => name))
  const missing = wanted.filter(({ name, place, comment }) => {
    const wantedName = name ?? (names.has(place ?? '') ? place : undefined)
    return !all.some(([known, text]) => text === comment && (wantedName ?? known) === known)
  })
  return same(missing, [])
}

export const adapters: Record<string, (row: Row) => Verdict> = {
  'buildkit/comments': docComments,
}
