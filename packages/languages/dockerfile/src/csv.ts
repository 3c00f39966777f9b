/**
 * One line of comma separated values, as `--mount` and `--device` are written (RFC 4180).
 *
 * @module
 */

const FIELD = /"((?:[^"]|"")*)"(?=,|$)|([^",]*)(?=,|$)/y

/** The fields; undefined when quotes are wrong or the line is empty. */
export function parseCSVLine(line: string): readonly string[] | undefined {
  const fields: string[] = []
  let at = 0
  do {
    FIELD.lastIndex = at
    const match = FIELD.exec(line)
    if (match === null) return undefined
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    at += match[0].length + 1
  } while (at <= line.length)
  return line === '' ? undefined : fields
}
