import { ToolError } from '@pipelayer/errors'

/** When something was created. */
export interface CreationTime {
  /** RFC 3339; in whole seconds where the user gave it. */
  readonly created: string
  /** Seconds since 1970: SOURCE_DATE_EPOCH, the upper limit for times of files. */
  readonly epoch?: number
  /** The time was given, not read from the clock. */
  readonly fixed: boolean
}

export interface TimeSources {
  readonly sourceDateEpoch?: string | undefined
  readonly created?: string | undefined
  readonly now: Date
}

/**
 * Takes the time from SOURCE_DATE_EPOCH, else from `--created`, else from the clock. Spec: reproducible-builds.org,
 * SOURCE_DATE_EPOCH, version 1.1.
 *
 * @throws {ToolError} `TIME_INVALID`, status 2: write seconds since 1970, or a time as in RFC 3339
 */
export function creationTime(sources: TimeSources): CreationTime {
  if (sources.sourceDateEpoch) {
    const epoch = Number(sources.sourceDateEpoch)
    if (!/^\d{1,12}$/.test(sources.sourceDateEpoch))
      throw invalid(`SOURCE_DATE_EPOCH is ${JSON.stringify(sources.sourceDateEpoch)}, not seconds since 1970`)
    return { created: rfc3339(new Date(epoch * 1000)), epoch, fixed: true }
  }
  if (sources.created === undefined) return { created: sources.now.toISOString(), fixed: false }
  const time = new Date(sources.created)
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d\d-\d\d[Tt ]/.test(sources.created))
    throw invalid(`--created is ${JSON.stringify(sources.created)}, not a time such as 2024-01-31T12:00:00Z`)
  return { created: rfc3339(time), fixed: true }
}

function rfc3339(time: Date): string {
  return time.toISOString().replace('.000Z', 'Z')
}

function invalid(why: string): ToolError {
  return new ToolError('TIME_INVALID', why, { status: 2 })
}
