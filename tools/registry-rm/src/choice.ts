import { parseDuration } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'

/** Which tags and manifests are deleted: those to which all of this applies. */
export interface Choice {
  /** Only tags in which this is found. */
  readonly match?: RegExp | undefined
  /** No tags in which this is found. */
  readonly except?: RegExp | undefined
  /** Only images that were created before this time: milliseconds since 1970. */
  readonly before?: number | undefined
}

export interface ChoiceOptions {
  readonly match?: string | undefined
  readonly except?: string | undefined
  /** A duration as Go writes it. */
  readonly olderThan?: string | undefined
}

/** @throws ToolError `USAGE` of status 2 */
export function choiceOf({ match, except, olderThan }: ChoiceOptions, now: Date): Choice {
  return {
    match: expression('match', match),
    except: expression('except', except),
    before: olderThan === undefined ? undefined : now.getTime() - ageOf(olderThan),
  }
}

/** True for a choice that leaves out something. */
export function isNarrow({ match, except, before }: Choice): boolean {
  return match !== undefined || except !== undefined || before !== undefined
}

/**
 * Whether an image is deleted. One without a creation time is older than nothing, so that it is kept.
 *
 * @param image - its tag or digest, and when it was created: milliseconds since 1970
 */
export function passes(
  { match, except, before }: Choice,
  { reference, created }: { readonly reference: string; readonly created: number | undefined },
): boolean {
  if (match !== undefined && !match.test(reference)) return false
  if (except?.test(reference)) return false
  return before === undefined || (created !== undefined && created < before)
}

function expression(option: string, text: string | undefined): RegExp | undefined {
  try {
    return text === undefined ? undefined : new RegExp(text, 'u')
  } catch (cause) {
    const why = (cause as Error).message
    throw new ToolError('USAGE', `--${option} is no regular expression: ${why}`, { cause, status: 2 })
  }
}

function ageOf(text: string): number {
  const age = parseDuration(text)
  if (age !== undefined && age >= 0n) return Number(age / 1_000_000n)
  throw new ToolError('USAGE', `--older-than takes a duration like 720h, got ${JSON.stringify(text)}`, {
    status: 2,
  })
}
