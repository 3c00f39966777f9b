/**
 * The Kubefile of sealer 0.5 to 0.8.
 *
 *     file        = { ARG } FROM { COPY | RUN | CMD | ARG }
 *     instruction = KEYWORD blanks rest              any case; the rest is one text, without quoting
 *     FROM image   COPY source destination   RUN text   CMD text   ARG name [ "=" value ] { "," name [ "=" value ] }
 *
 * Lines are those of a Dockerfile. The old parser did some things by accident, which are decided here:
 *
 * | the old parser | here |
 * |---|---|
 * | a `#` that is not in the first column is an unknown command | a comment: nothing else can be meant |
 * | a keyword alone crashes it | an error |
 * | an unknown command fails the build without a word | an error that names line and word |
 * | a line of more than 64 KiB silently ends the file | an error |
 * | `COPY a` crashes, of `COPY a b c` the `c` is ignored | errors: it takes two words |
 * | `COPY x ../y` writes outside the image | an error |
 * | `ARG a` is dropped, with the rest of its line | declared without a value, as its manual says |
 * | of `COPY a b # c` the rest is ignored | the same, with a warning |
 * | the text of `FROM x # y` is the image | an error: there are no comments behind an instruction |
 * | a second FROM, or none, fails late | errors |
 * | `CMD ["a", "b"]` goes to the shell as it stands | an error, and a sign of the newer dialects: see `explainDialect` |
 * | `# escape=` is a comment | the same |
 *
 * Spec: sealerio/sealer v0.7.1, pkg/parser/parser.go
 *
 * @module
 */

import {
  type Grammar,
  instructionFields,
  parseDockerfile,
  parseJSONForm,
  quote,
  suggest,
} from '@pipelayer/dockerfile'
import { type KubefileFields, refuse } from './fields.js'

const KEYWORDS = ['FROM', 'COPY', 'RUN', 'CMD', 'ARG'] as const
type Keyword = (typeof KEYWORDS)[number]

/** The text behind the keyword is taken from the line itself, since flags have no meaning. */
const GRAMMAR: Grammar = {
  code: 'KUBEFILE_INVALID',
  forms: new Map(),
  heredocs: new Set(),
  directives: false,
  trailing: 'refuse',
}

const KEYWORD_AND_BLANKS = /^[^\t\v\f\r ]+[\t\v\f\r ]*/
const ARG_NAME = /^[\p{L}\p{Nd}_]+$/u

export interface ClassicOptions {
  readonly file: string
  readonly warn?: ((message: string) => void) | undefined
}

/** @throws ToolError `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...` */
export function parseClassic(
  source: string | Uint8Array,
  { file, warn }: ClassicOptions,
): readonly KubefileFields[] {
  const { instructions } = parseDockerfile(source, { file, grammar: GRAMMAR })
  const list = instructions.map(node => {
    const fields = classicFields(instructionFields(node, { file, escape: '\\' }))
    return readInstruction(withoutComment(fields, warn))
  })
  checkFrom(list)
  return list
}

/** COPY without the comment behind it, which sealer ignored as it did every word after the second. */
function withoutComment(fields: KubefileFields, warn: ClassicOptions['warn']): KubefileFields {
  const [text = ''] = fields.args
  const [, kept, comment] = /^(\S+\s+\S+)\s+(#.*)$/s.exec(text) ?? []
  if (fields.name !== 'COPY' || kept === undefined) return fields
  const { file, line, column = 1 } = fields.source
  warn?.(
    `${file}:${line}:${column}: ${quote(comment ?? '')} behind COPY is ignored: a comment needs a line of its own`,
  )
  return { ...fields, args: [kept] }
}

function classicFields(fields: Omit<KubefileFields, 'dialect'>): KubefileFields {
  const text = fields.raw.replace(KEYWORD_AND_BLANKS, '').trim()
  return { ...fields, dialect: 'kubefile-classic', flags: [], args: [text] }
}

/** `fields.args` is the one text behind the keyword. */
function readInstruction(fields: KubefileFields): KubefileFields {
  const keyword = KEYWORDS.find(name => name === fields.name)
  if (keyword === undefined) {
    const similar = suggest(fields.name, KEYWORDS)
    const hint = similar === undefined ? '' : ` (did you mean ${similar}?)`
    return refuse(fields, `${quote(fields.name)} is not one of ${KEYWORDS.join(', ')}${hint}`)
  }
  const [text = ''] = fields.args
  if (text === '') return refuse(fields, `${keyword} needs an argument`)
  return { ...fields, ...readArguments(fields, keyword, text) }
}

function readArguments(
  fields: KubefileFields,
  keyword: Keyword,
  text: string,
): Pick<KubefileFields, 'form' | 'args'> {
  switch (keyword) {
    case 'FROM':
      return { form: 'words', args: readWords(fields, text, { count: 1, what: 'an image' }) }
    case 'COPY':
      return { form: 'words', args: readCopy(fields, text) }
    case 'ARG':
      return { form: 'words', args: text.split(',').map(part => readArg(fields, part)) }
    case 'RUN':
    case 'CMD':
      return { form: 'shell', args: [readCommand(fields, keyword, text)] }
  }
}

function readWords(
  fields: KubefileFields,
  text: string,
  { count, what }: { count: number; what: string },
): readonly string[] {
  const words = text.split(/\s+/)
  if (words.length === count) return words
  return refuse(fields, `${fields.name} takes ${what}, here are ${words.length} words`)
}

function readCopy(fields: KubefileFields, text: string): readonly string[] {
  const words = readWords(fields, text, { count: 2, what: 'a source and a destination' })
  const destination = words[1] ?? ''
  if (!destination.split('/').includes('..')) return words
  return refuse(fields, `destination ${quote(destination)} has a ".." and could leave the image`)
}

function readArg(fields: KubefileFields, part: string): string {
  const sign = part.indexOf('=')
  const name = (sign < 0 ? part : part.slice(0, sign)).trim()
  if (!ARG_NAME.test(name)) return refuse(fields, `${quote(name)} is no name of an ARG: letters, digits, "_"`)
  return sign < 0 ? name : `${name}=${part.slice(sign + 1).trim()}`
}

function readCommand(fields: KubefileFields, keyword: 'RUN' | 'CMD', text: string): string {
  if (parseJSONForm(text) === 'other') return text
  return refuse(fields, `${keyword} with a JSON array is of the newer dialects, kubefile and sealos`)
}

function checkFrom(list: readonly KubefileFields[]): void {
  const [first, second] = list.filter(fields => fields.name === 'FROM')
  const last = list.at(-1)
  if (first === undefined && last !== undefined) refuse(last, 'no FROM in the file')
  if (second !== undefined) refuse(second, 'a second FROM: a Kubefile has one')
  const early = list.find(fields => fields.name !== 'ARG')
  if (early !== undefined && early !== first) refuse(early, `${early.name} stands before FROM`)
}
