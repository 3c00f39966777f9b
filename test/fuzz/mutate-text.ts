/**
 * Mutates texts: lines, words of a language, values of JSON.
 *
 * @module
 */
import { byteMutators } from './mutate.js'
import type { Mutator } from './target.js'

/** Mutators for texts of a language with these words. */
export function textMutators(words: readonly string[]): readonly Mutator[] {
  const insertWord: Mutator = (input, random) => {
    const at = random.below(input.length + 1)
    return Buffer.concat([input.subarray(0, at), Buffer.from(random.pick(words)), input.subarray(at)])
  }
  const replaceWord: Mutator = (input, random) => {
    const text = input.toString('latin1')
    const found = [...text.matchAll(/\w+|"[^"]*"|[^\s\w]/g)]
    if (found.length === 0) return input
    const match = random.pick(found)
    const word = Buffer.from(random.pick(words)).toString('latin1')
    return Buffer.from(
      text.slice(0, match.index) + word + text.slice(match.index + match[0].length),
      'latin1',
    )
  }
  const own = [insertWord, replaceWord, insertWord, replaceWord, shuffleLines]
  return [...byteMutators, ...own, ...own]
}

const shuffleLines: Mutator = (input, random) => {
  const lines = input.toString('latin1').split('\n')
  const line = lines[random.below(lines.length)] ?? ''
  const at = random.below(lines.length)
  if (random.oneIn(2)) lines.splice(at, 1)
  else lines.splice(at, 0, line)
  return Buffer.from(lines.join('\n'), 'latin1')
}

export const JSON_WORDS = [
  'null',
  'true',
  '-1',
  '0',
  '9007199254740993',
  '1e999',
  '1.5',
  '""',
  '{}',
  '[]',
  '{"a":1}',
  '"sha256:../../x"',
  '"\\u0000"',
  '"\\ud800"',
  '"__proto__"',
  '"constructor"',
  '"mediaType":',
  '"layers":[],',
  '"manifests":[],',
  '"config":{},',
  ',',
  ':',
  '[',
  ']',
  '{',
  '}',
  '\ufeff',
]
