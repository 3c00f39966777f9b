/**
 * The replacement of `${name//pattern/replacement}`, which BuildKit gives to Go's regexp as a template.
 *
 *     template  = { "$$" | "$" NAME | "${" NAME "}" | char }         NAME = letters, digits, "_"; as many as there are
 *
 * `$0` is the match and `$$` a dollar; any other name is empty, since the patterns have no groups.
 *
 * Spec: https://pkg.go.dev/regexp#Regexp.Expand
 *
 * @module
 */

const REFERENCE = /\$(?:\$|([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/gu

/** @param match - gives the text that is replaced; called for `$0` only */
export function fillTemplate(template: string, match: () => string): string {
  if (!template.includes('$')) return template
  return template.replace(REFERENCE, (reference, bare?: string, braced?: string) => {
    if (reference === '$$') return '$'
    return (bare ?? braced) === '0' ? match() : ''
  })
}
