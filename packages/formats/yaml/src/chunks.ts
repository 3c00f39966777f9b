/**
 * Cuts a stream of YAML into its documents, so that only one is in memory.
 *
 * `---` and `...` in the first column are always the end of a document, inside of block scalars, too.
 * Spec: YAML 1.2.2, 9.1.2
 *
 * @module
 */

export interface Chunk {
  /** One document, its `---` included. */
  readonly text: string
  /** Line of its first character, from 1. */
  readonly line: number
}

const MARKER = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm
const DIRECTIVE = /^%/m

export function* chunks(text: string): Generator<Chunk, void, void> {
  let start = 0
  let line = 1
  let looked = 0
  for (const { 0: marker, index } of text.matchAll(MARKER)) {
    const end = marker === '---' ? index : index + marker.length
    // Directives belong to the document that follows them. Only the text since the last marker is searched for them.
    const isBehindDirective = marker === '---' && DIRECTIVE.test(text.slice(looked, end))
    looked = index + marker.length
    if (isBehindDirective) continue
    if (end === start) continue
    const chunk = text.slice(start, end)
    yield { text: chunk, line }
    line += lineBreaks(chunk)
    start = end
  }
  yield { text: text.slice(start), line }
}

function lineBreaks(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}
