import { ToolError } from '@pipelayer/errors'
import { placeOf, type Step } from './plan.js'

/** How many characters of an instruction a message shows. */
const MAX_TITLE = 200

/**
 * Errors that name their step already. They are remembered, because a stage may be built in the middle of a step of
 * another stage.
 */
const placed = new WeakSet<object>()

/** A step in messages: `Dockerfile:3: RUN make`. */
function titleOf({ record }: Pick<Step, 'record'>): string {
  const [line = '', ...rest] = record.raw.split('\n')
  const isCut = rest.length > 0 || line.length > MAX_TITLE
  return `${placeOf(record)}: ${isCut ? `${line.slice(0, MAX_TITLE)}...` : line}`
}

/** The names of a step in messages. */
export function namesOf(step: Pick<Step, 'record'>): {
  readonly title: string
  readonly place: string
  readonly located: (error: unknown) => unknown
} {
  const place = placeOf(step.record)
  return { title: titleOf(step), place, located: error => located(error, step) }
}

/** An error of a step, with the place and the text of its instruction in front. */
export function located(error: unknown, step: Pick<Step, 'record'>): unknown {
  if (!(error instanceof ToolError) || placed.has(error)) return error
  // These errors name their position themselves, or do not concern a step.
  if (['DOCKERFILE_INVALID', 'EPIPE', 'STOPPED'].includes(error.code)) return error
  const options = { cause: error, status: error.status }
  const found = new ToolError(error.code, `${titleOf(step)}: ${error.message}`, options)
  placed.add(found)
  return found
}
