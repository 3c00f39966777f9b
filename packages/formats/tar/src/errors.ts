/**
 * The errors of this package.
 *
 * - `TAR_INVALID`: the archive breaks its format, or says something that readers understand differently. Make it anew.
 * - `TAR_TRUNCATED`: the archive ends inside an entry. Fetch it again.
 * - `TAR_UNREPRESENTABLE`: an entry that no tar header can hold, such as a name with a NUL.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

/** Where in the archive: bytes from its start and, when known, the entry. */
export interface TarPlace {
  readonly offset: number
  readonly name?: string | undefined
}

export function invalid(why: string, place: TarPlace): ToolError {
  return new ToolError('TAR_INVALID', `cannot read tar at byte ${place.offset}${of(place)}: ${why}`)
}

export function truncated(why: string, place: TarPlace): ToolError {
  return new ToolError('TAR_TRUNCATED', `cannot read tar at byte ${place.offset}${of(place)}: ${why}`)
}

export function unrepresentable(name: string, why: string): ToolError {
  return new ToolError('TAR_UNREPRESENTABLE', `cannot write tar entry ${quoted(name)}: ${why}`)
}

/** Thrown by the parsers of fields, which do not know where they stand; {@link at} adds the place. */
export class FieldError extends Error {}

/** Runs `work`; a {@link FieldError} in it becomes TAR_INVALID with its place. */
export function at<T>(place: TarPlace, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof FieldError) throw invalid(error.message, place)
    throw error
  }
}

/** A binary string for people: UTF-8 decoded, control characters escaped, at most 200 characters. */
export function quoted(name: string): string {
  const text = JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'))
  return text.length > 200 ? `${text.slice(0, 200)}…"` : text
}

function of(place: TarPlace): string {
  return place.name === undefined ? '' : `, entry ${quoted(place.name)}`
}
