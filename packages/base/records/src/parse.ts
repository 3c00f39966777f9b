import { ToolError } from '@pipelayer/errors'
import { validators } from './generated/validators.js'
import type { AnyRecord } from './types.js'

interface SchemaError {
  readonly instancePath: string
  readonly message?: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
}
/**
 * The most levels of arrays and objects in a record. The documents of images that records carry have at most 64 levels.
 */
const MAX_DEPTH = 256
/** Characters that {@link isTooDeep} looks at. */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

type Validator = ((data: unknown) => boolean) & { errors?: readonly SchemaError[] | null }

/**
 * Parses one line of NDJSON to a record.
 *
 * A record of a known type is held to its schema; one of an unknown type needs only its `type`.
 *
 * @throws {ToolError} `RECORD_INVALID`: not JSON, not an object with a `type`, not of its type's shape, or nested so
 *   deep that programs which read and write it by recursion would fail
 */
export function parseRecord(line: string): AnyRecord {
  if (isTooDeep(line))
    throw new ToolError(
      'RECORD_INVALID',
      `cannot use ${quote(line)}: it is nested more than ${MAX_DEPTH} deep`,
    )
  return checkRecord(parseObject(line))
}

/** Holds a record to the schema of its type. @throws {ToolError} `RECORD_INVALID` */
export function checkRecord(record: AnyRecord): AnyRecord {
  const why = recordError(record)
  if (why !== undefined)
    throw new ToolError('RECORD_INVALID', `cannot use the ${JSON.stringify(record.type)} record: ${why}`)
  return record
}

/** Why a record breaks the schema of its type; undefined when it does not, or when the type is unknown. */
export function recordError(record: AnyRecord): string | undefined {
  // A record may have the type "constructor", which a plain look-up would find in the table's prototype.
  if (!Object.hasOwn(validators, record.type)) return undefined
  const validate = validators[record.type] as Validator
  return validate(record) ? undefined : describe(validate.errors?.[0])
}

/** The names of the types that have a schema. */
export function recordTypes(): string[] {
  return Object.keys(validators)
}

function describe(error: SchemaError | undefined): string {
  if (error === undefined) return 'it does not fit its schema'
  const where = error.instancePath.slice(1).replaceAll('/', '.')
  const allowed = error.params.allowedValues ?? error.params.allowedValue
  const detail = allowed === undefined ? '' : `: ${JSON.stringify(allowed)}`
  return `${where ? `"${where}" ` : 'it '}${error.message ?? error.keyword}${detail}`
}

function parseObject(line: string): AnyRecord {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new ToolError('RECORD_INVALID', `cannot read ${quote(line)} as JSON${hint(line)}`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ToolError(
      'RECORD_INVALID',
      `cannot use ${quote(line)} as a record: it is not an object${hint(line)}`,
    )
  const type: unknown = Reflect.get(value, 'type')
  if (typeof type !== 'string' || type === '')
    throw new ToolError('RECORD_INVALID', `cannot use ${quote(line)} as a record: it has no "type"`)
  return value as AnyRecord
}

/** Whether brackets that are no part of a string open more than {@link MAX_DEPTH} levels. Memory: none; a pass over the text. */
function isTooDeep(line: string): boolean {
  // In valid JSON each level takes two brackets, so most lines are too short to be too deep.
  if (line.length <= 2 * MAX_DEPTH) return false
  let depth = 0
  let inString = false
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at)
    if (code === QUOTE) inString = !inString
    else if (code === BACKSLASH) at++
    else if (inString) continue
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) return true
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
  }
  return false
}

/** A hint for pretty-printed JSON, which `jq` writes unless it is called with `-c`. */
function hint(line: string): string {
  return /^\s*[{[]\s*$/.test(line) ? ' (one record a line is needed: jq -c)' : ''
}

function quote(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}...` : line)
}
