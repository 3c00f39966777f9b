import { ToolError } from '@pipelayer/errors'
import { parseNormalized } from '@pipelayer/reference'
import { type Choice, isNarrow } from './choice.js'

/** An image, or a repository. */
export interface Target {
  /** As it was given. */
  readonly text: string
  readonly domain: string
  readonly path: string
  /** A tag or a digest; absent for a repository, whose tags are chosen. */
  readonly reference?: string
}

/**
 * Reads `HOST/NAME:TAG`, `HOST/NAME@DIGEST` or `HOST/NAME`. A name without a tag is a repository, and does not stand for
 * `latest`: what is deleted must be said.
 *
 * @throws ToolError `USAGE` of status 2, also for a repository without a choice among its tags
 */
export function targetOf(text: string, choice: Choice): Target {
  const { domain, path, tag, digest } = parsed(text)
  const reference = digest ?? tag
  if (reference !== undefined) return { text, domain, path, reference }
  if (isNarrow(choice)) return { text, domain, path }
  const message = `${JSON.stringify(text)} is a whole repository: give a tag, or choose by --match, --except or --older-than`
  throw new ToolError('USAGE', message, { status: 2 })
}

function parsed(text: string): ReturnType<typeof parseNormalized> {
  try {
    return parseNormalized(text.replace(/^docker:\/\//, ''))
  } catch (cause) {
    const message = `not an image or a repository of a registry: ${JSON.stringify(text)}`
    throw new ToolError('USAGE', message, { cause, status: 2 })
  }
}
