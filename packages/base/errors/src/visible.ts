/**
 * Makes text from outside safe to show to people: names of files, messages of servers, lines of a Dockerfile.
 *
 * @module
 */

/**
 * Characters that a terminal obeys, or that show a text in another order than it has: control characters (C0, DEL, C1),
 * Unicode's controls of direction, and its separators of lines and paragraphs.
 *
 * Spec: Unicode 16, PropList.txt, `Bidi_Control`; the deprecated U+206A to U+206F also change how text is shown.
 */
const UNSEEN = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]/g

/** The text with each of these characters escaped: `\x1b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, c => {
    const code = c.charCodeAt(0).toString(16)
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`
  })
}

/**
 * JSON that means the same, with each of these characters escaped inside its strings. Line ends between values stay.
 */
export function visibleJson(json: string): string {
  return json.replace(UNSEEN, c => (c === '\n' ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`))
}
