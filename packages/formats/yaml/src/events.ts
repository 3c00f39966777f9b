/**
 * The parser's events for one document, with their lines.
 *
 * libyaml, and so kubectl and helm, take the second line of a quoted text or a flow collection at any indentation, which
 * YAML itself does not; manifests of well-known projects need that. White space at the start of such a line has no
 * meaning, so such lines are moved to the right and the document read again: first all that are found without parsing, then
 * one at a time.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type Event, parseEvents, YAMLException } from 'js-yaml'
import type { Chunk } from './chunks.js'
import { padContinuations } from './continuations.js'

export interface EventList {
  /** The text that the offsets in `events` refer to. */
  readonly text: string
  readonly events: readonly Event[]
}

/** Deeper nesting would exhaust the stack. */
const MAX_DEPTH = 100
/** The most characters that are read for one document, all its repeated readings together. */
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
      const isFirst = text === chunk.text
      const padded = isFirst ? padContinuations(text, PAD.length) : text
      text = padded === text ? moved(text, position - column) : padded
    }
  }
}

/** The document with the line at `start` indented further. */
function moved(text: string, start: number): string {
  return `${text.slice(0, start)}${PAD}${text.slice(start)}`
}
