/** Quotes a text so that a POSIX shell takes it as one word and expands nothing in it. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
