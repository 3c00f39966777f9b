import { visible } from '@pipelayer/errors'

const COLOR_OR_TAB = /(\x1b\[[\d;]*m|\t)/
/** Ends whatever colour a line left. */
const PLAIN = '\x1b[0m'

/** Names and server texts come from outside: no control character of theirs reaches a terminal. */
export const printable = visible

/**
 * A line of a command's output as a terminal may have it: of a progress bar what it shows last; tabs and colours stay, no
 * other control character does.
 */
export function printableOutput(line: string): string {
  const shown = line.replace(/\r+$/, '').replace(/^.*\r/s, '')
  const parts = shown.split(COLOR_OR_TAB).map((part, index) => (index % 2 === 1 ? part : printable(part)))
  return `${parts.join('')}${shown.includes('\x1b') ? PLAIN : ''}`
}
