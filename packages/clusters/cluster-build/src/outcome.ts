import { ToolError } from '@pipelayer/errors'
import type { AnyRecord } from '@pipelayer/records'

/** How many images one message names. */
const MAX_NAMED = 20

/** Something that failed, of many. */
export interface Failure {
  readonly code: string
  readonly message: string
  /** The image, where it is known. */
  readonly reference?: string
  /** The error that ended a stream. */
  readonly cause?: ToolError
}

export interface Outcome {
  readonly records: readonly AnyRecord[]
  readonly failures: readonly Failure[]
}

/** Reads records to their end. An error that ends them is one more failure. */
export async function collected(stream: AsyncIterable<AnyRecord>): Promise<Outcome> {
  const records: AnyRecord[] = []
  const failures: Failure[] = []
  try {
    for await (const record of stream) {
      records.push(record)
      if (record.type === 'failed') failures.push(failureIn(record))
    }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    // If each image failed, the error that no image came adds nothing.
    if (error.code !== 'IMAGE_MISSING' || failures.length === 0)
      failures.push({ code: error.code, message: error.message, cause: error })
  }
  return { records, failures }
}

function failureIn({ code, message, item }: AnyRecord): Failure {
  const reference = typeof item === 'object' && item !== null ? Reflect.get(item, 'reference') : undefined
  const failure = { code: String(code), message: String(message) }
  return typeof reference === 'string' ? { ...failure, reference } : failure
}

/** One error that names all failures. */
export function failureOf(failures: readonly Failure[]): ToolError {
  const messages = failures.map(({ message }) => message)
  const more = messages.length > MAX_NAMED ? `; and ${messages.length - MAX_NAMED} more` : ''
  const what = `${messages.slice(0, MAX_NAMED).join('; ')}${more}`
  const cause = failures.find(one => one.cause !== undefined)?.cause
  return new ToolError('IMAGES_FAILED', `images could not be brought into the registry: ${what}`, {
    cause,
    status: cause?.status === 75 ? 75 : 1,
  })
}
