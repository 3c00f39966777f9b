/**
 * The Link header, which leads to the next page of a list, and the Warning header.
 *
 * ```
 * Link    = #( target *( ";" [ param ] ) )
 * target  = "<" URI ">" / URI                     the brackets are often left out
 * param   = name [ "=" ( token / quoted-string ) ]
 * Warning = "299" SP "-" SP quoted-string
 * ```
 *
 * Spec: RFC 8288, section 3; RFC 7234, section 5.5; distribution-spec v1.1, "Warnings".
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

export interface Link {
  readonly target: string
  /** Names in lower case. */
  readonly params: ReadonlyMap<string, string>
}

const TARGET = /<([^<>"\\]*)>|([^\s<>,;"\\]+)/y
const NAME = /[\w!#$+.^`|~-]+\*?/y
const VALUE = /"((?:[^"\\]|\\.)*)"|([^\s,;"\\]+)/y
const EQUALS = /[ \t\r\n]*=[ \t\r\n]*/y
const SEMICOLON = /[ \t\r\n]*;[ \t\r\n]*/y
const COMMAS = /[ \t\r\n]*(?:,[ \t\r\n]*)+/y
const SPACE = /[ \t\r\n]*/y

/**
 * Reads the links of a header, or of several joined by commas.
 *
 * @throws ToolError `LINK_INVALID`
 */
export function parseLinks(header: string): Link[] {
  const links: Link[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  const needed = (pattern: RegExp): RegExpExecArray => {
    const match = take(pattern)
    if (match !== null) return match
    throw new ToolError('LINK_INVALID', `not a Link header: ${JSON.stringify(header.slice(0, 200))}`)
  }
  take(SPACE)
  take(COMMAS)
  while (at < header.length) {
    const target = needed(TARGET)
    const params = new Map<string, string>()
    while (take(SEMICOLON) !== null) {
      const name = take(NAME)?.[0]
      if (name === undefined) continue
      const value = take(EQUALS) === null ? undefined : needed(VALUE)
      const text = value?.[2] ?? value?.[1]?.replace(/\\(.)/gs, '$1') ?? ''
      // The first one of several equal parameters counts.
      if (!params.has(name.toLowerCase())) params.set(name.toLowerCase(), text)
    }
    links.push({ target: target[1] ?? target[2] ?? '', params })
    take(SPACE)
    if (at < header.length) needed(COMMAS)
  }
  return links
}

/** The target of the first link whose `param` is `value`; `rel` may hold several words. */
export function findLink(header: string, param: string, value: string): string | undefined {
  const has = ({ params }: Link): boolean =>
    (params.get(param)?.toLowerCase().split(/\s+/) ?? []).includes(value.toLowerCase())
  return parseLinks(header).find(has)?.target
}

/**
 * The text of a Warning header; undefined for another form, and for text with control characters. Percent-encoded
 * text is decoded.
 */
export function parseWarning(header: string): string | undefined {
  const quoted = /^299 - "((?:[^"\\]|\\.)*)"$/s.exec(header)?.[1]
  if (quoted === undefined) return undefined
  const text = decoded(asText(quoted.replace(/\\(.)/gs, '$1')))
  return text === '' || /[^\P{Cc}\t]/u.test(text) ? undefined : text
}

// A header may have one character for each byte, and backslashes even between the bytes of one character.
function asText(text: string): string {
  if (/[^\0-\xff]/.test(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
  } catch {
    return text
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
