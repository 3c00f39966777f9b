/**
 * `image:` lines of a text with `{{ }}` in it, which is no YAML before it is rendered.
 *
 * @module
 */

import type { FoundImage } from './found.js'

const IMAGE_LINE = /^\s*(?:-\s+)?(["']?)image\1\s*:\s+(\S.*?)\s*$/
const COMMENT = /\s#.*$/
const QUOTES = /^(["'])(.*)\1$/

/** The value of an action such as `.Values.image.tag`; `undefined` when it cannot be told. */
export type ValueOfAction = (action: string) => string | undefined

/** Lines whose every action has a value. All of them are guesses: whether a line is rendered at all is not known. */
export function* templateImages(
  text: string,
  file: string,
  valueOfAction: ValueOfAction = () => undefined,
): Generator<FoundImage, void, void> {
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const value = IMAGE_LINE.exec(line)?.[2]?.replace(COMMENT, '')
    const reference = value === undefined ? undefined : evaluated(value, valueOfAction)
    if (reference !== undefined && reference !== '')
      yield { reference, file, line: index + 1, foundIn: 'template', guess: true }
  }
}

function evaluated(value: string, valueOfAction: ValueOfAction): string | undefined {
  let isKnown = true
  const text = value.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_, action: string) => {
    const result = valueOfAction(action)
    if (result === undefined) isKnown = false
    return result ?? ''
  })
  const bare = text.replace(QUOTES, '$2').trim()
  return isKnown && !/[{}|>&*]/.test(bare) ? bare : undefined
}
