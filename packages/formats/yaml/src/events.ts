/**
 * The parser's events of one document, and the lines they stand in.
 *
 * libyaml, and so kubectl and helm, take the second line of a quoted text or a flow collection at any indentation, which
 * YAML itself does not; manifests of well-known projects need that. White space at the start of such a line has no
 * meaning, so the line is moved to the right and the document read again.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type Event, parseEvents, YAMLException } from 'js-yaml'
import type { Chunk } from './chunks.js'

export interface EventList {
  /** What the offsets of `events` point into. */
  readonly text: string
  readonly events: readonly Event[]
}

/** Deeper is an attack on the stack. */
const MAX_DEPTH = 100
/** Reading again is paid for by length: characters for one document. */
const MAX_REREAD = 32 * 1024 * 1024
const PAD = ' '.repeat(2 * MAX_DEPTH)

/** @throws ToolError `YAML_INVALID` as `FILE:LINE:COLUMN: ...` */
export function eventsOf(chunk: Chunk, file: string): EventList {
  let { text } = chunk
  let read = 0
  for (;;) {
    try {
      return { text, events: parseEvents(text, { maxDepth: MAX_DEPTH }) }
    } catch (error) {
      if (!(error instanceof YAMLException)) throw error
      read += text.length
      const { line = 0, column = 0, position = 0 } = error.mark ?? {}
      if (error.reason !== 'deficient indentation' || read > MAX_REREAD || column >= PAD.length) {
        const place = `${file}:${chunk.line + line}:${column + 1}`
        throw new ToolError('YAML_INVALID', `${place}: ${error.reason}`, { cause: error })
      }
      text = moved(text, position - column)
    }
  }
}

/** The document with the line that begins at `start` further to the right. */
function moved(text: string, start: number): string {
  return `${text.slice(0, start)}${PAD}${text.slice(start)}`
}
