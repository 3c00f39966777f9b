import { visible } from '@pipelayer/errors'

const COLOR_OR_TAB = /(\x1b\[[\d;]*m|\t)/
/** Resets the colours and styles that a line has set. */
const PLAIN = '\x1b[0m'

/** Names and server texts come from outside: no control character of theirs reaches a terminal. */
export const printable = visible

/**
 * A line of a command's output, made safe for a terminal. Of a progress bar only its last state is kept. Tabs and
 * colours stay; all other control characters are escaped.
 */
export function printableOutput(line: string): string {
  const shown = line.replace(/\r+$/, '').replace(/^.*\r/s, '')
  const parts = shown.split(COLOR_OR_TAB).map((part, index) => (index % 2 === 1 ? part : printable(part)))
  return `${parts.join('')}${shown.includes('\x1b') ? PLAIN : ''}`
}
