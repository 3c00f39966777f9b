/**
 * Finds `image:` lines in a template: a text with `{{ }}`, which is YAML only after it is rendered.
 *
 * @module
 */

import type { FoundImage } from './found.js'

// Each pattern matches or fails in one pass, because a template may come from anybody, and a line may have 16 MiB.
const IMAGE_LINE = /^\s*(?:-\s+)?(["']?)image\1\s*:\s+(\S.*)$/
const COMMENT = /\s#.*$/
const WHY = 'a line of a template that sets image'
const QUOTES = /^(["'])(.*)\1$/

/** Returns the value of an action such as `.Values.image.tag`, or `undefined` if it is not known. */
export type ValueOfAction = (action: string) => string | undefined

/**
 * The lines in which every action has a known value. All of them are guesses, since it is not known whether a line is
 * rendered at all.
 */
export function* templateImages(
  text: string,
  file: string,
  valueOfAction: ValueOfAction = () => undefined,
): Generator<FoundImage, void, void> {
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const value = IMAGE_LINE.exec(line)?.[2]?.replace(COMMENT, '').trimEnd()
    const reference = value === undefined ? undefined : evaluated(value, valueOfAction)
    if (reference !== undefined && reference !== '')
      yield { reference, file, line: index + 1, foundIn: 'template', why: WHY, guess: true }
  }
}

function evaluated(value: string, valueOfAction: ValueOfAction): string | undefined {
  let text = ''
  let at = 0
  for (;;) {
    const start = value.indexOf('{{', at)
    const end = start < 0 ? -1 : value.indexOf('}}', start + 2)
    if (end < 0) break
    const result = valueOfAction(inner(value.slice(start + 2, end)))
    if (result === undefined) return undefined
    text += value.slice(at, start) + result
    at = end + 2
  }
  const bare = (text + value.slice(at)).replace(QUOTES, '$2').trim()
  return /[{}|>&*]/.test(bare) ? undefined : bare
}

/** The text of an action without the dashes that trim white space around it. */
function inner(action: string): string {
  const start = action.startsWith('-') ? 1 : 0
  const end = action.endsWith('-') && action.length > start ? action.length - 1 : action.length
  return action.slice(start, end).trim()
}
