/** Names and server texts come from outside: no control character of theirs reaches a terminal. */
export function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f-\x9f]/g, c => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
