import { ToolError } from '@pipelayer/errors'
import { validators } from './generated/validators.js'
import type { AnyRecord } from './types.js'

interface SchemaError {
  readonly instancePath: string
  readonly message?: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
}
type Validator = ((data: unknown) => boolean) & { errors?: readonly SchemaError[] | null }

/**
 * One line of NDJSON to a record.
 *
 * A record of a known type is held to its schema; one of an unknown type needs only its `type`.
 *
 * @throws {ToolError} `RECORD_INVALID`: not JSON, not an object with a `type`, or not of its type's shape
 */
export function parseRecord(line: string): AnyRecord {
  return checkRecord(parseObject(line))
}

/** Holds a record to the schema of its type. @throws {ToolError} `RECORD_INVALID` */
export function checkRecord(record: AnyRecord): AnyRecord {
  const why = recordError(record)
  if (why !== undefined)
    throw new ToolError('RECORD_INVALID', `cannot use the ${JSON.stringify(record.type)} record: ${why}`)
  return record
}

/** What the schema of its type has against a record; undefined when nothing, or when the type is unknown. */
export function recordError(record: AnyRecord): string | undefined {
  // The table has no prototype worth trusting: a type may be called "constructor".
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

/** Pretty-printed JSON is what a filter without `jq -c` sends. */
function hint(line: string): string {
  return /^\s*[{[]\s*$/.test(line) ? ' (one record a line is needed: jq -c)' : ''
}

function quote(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}...` : line)
}
