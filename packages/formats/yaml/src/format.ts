/**
 * YAML as sigs.k8s.io/yaml and go-yaml 2 write it, byte for byte for the documents that cluster images have: sealer's image
 * ids are digests of this text.
 *
 * Keys in byte order, two columns an indent, lists at the column of their key, `|-` for text of several lines, quotes
 * where a plain text would be read as something else, lines broken at the first space behind column 80.
 *
 * Spec: gopkg.in/yaml.v2 v2.4.0, encode.go and emitterc.go
 *
 * @module
 */

const WIDTH = 80
/** Texts that a reader of YAML 1.1 would take for another type if they were not quoted. */
const RESOLVED =
  /^(?:~|null|Null|NULL|true|True|TRUE|false|False|FALSE|y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|<<|\.(?:nan|NaN|NAN)|[-+]?\.(?:inf|Inf|INF))$/
const NUMBER_LIKE =
  /^[-+]?(?:0b[01_]+|0x[\da-fA-F_]+|0o?[0-7_]+|\d[\d_]*|(?:\.\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?)(?:[eE][-+]?\d+)?)$/
const BASE_60 = /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/
const DATE_LIKE = /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?$/
const LEADING = /^[,?\-:[\]{}#&*!|>'"%@` ]/
// Plain text may begin with "-", "?" or ":" when no blank follows.
const LEADING_ALLOWED = /^[-?:][^ ]/
const INSIDE = /: |:$| #|[^\n -~\u0085\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]|\ufeff/u
const NOT_PRINTABLE =
  /[^\n -~\u0085\u00a0-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]|\ufeff|\u0085|\u2028|\u2029/u

/**
 * Writes a value of JSON as a document. Fields that are `undefined` are left out.
 *
 * ```ts
 * formatYAML({ kind: 'Image', spec: { layers: [] } }) // 'kind: Image\nspec:\n  layers: []\n'
 * ```
 */
export function formatYAML(value: unknown): string {
  const text = block(value, 0)
  return text.startsWith('\n') ? text.slice(1) : `${text.trimStart()}`
}

/** The text behind `key:` or `-`. It begins with a blank or a line break and ends with a line break. */
function block(value: unknown, indent: number): string {
  if (Array.isArray(value)) return value.length === 0 ? ' []\n' : `\n${list(value, indent)}`
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).filter(([, one]) => one !== undefined)
    return pairs.length === 0 ? ' {}\n' : `\n${map(pairs, indent)}`
  }
  return ` ${scalar(value, indent)}\n`
}

function map(pairs: readonly (readonly [string, unknown])[], indent: number): string {
  const margin = ' '.repeat(indent)
  return [...pairs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const head = `${margin}${scalar(key, -1)}:`
      return head + nested(value, indent, head.length)
    })
    .join('')
}

/** A list below a key begins at the key's own column; other values are indented by two more. */
function nested(value: unknown, indent: number, column: number): string {
  if (Array.isArray(value)) return block(value, indent)
  if (typeof value === 'object' && value !== null) return block(value, indent + 2)
  return ` ${scalar(value, indent + 2, column + 1)}\n`
}

function list(items: readonly unknown[], indent: number): string {
  const margin = ' '.repeat(indent)
  // The first line of an item goes behind its dash.
  return items.map(item => `${margin}-${block(item, indent + 2).replace(/^\n +/, ' ')}`).join('')
}

/** `indent` is that of continued lines. It is negative for keys, which stay on one line. */
function scalar(value: unknown, indent: number, column = indent): string {
  if (typeof value !== 'string') return value === null || value === undefined ? 'null' : String(value)
  if (value === '') return '""'
  if (NOT_PRINTABLE.test(value)) return JSON.stringify(value)
  if (value.includes('\n') && indent >= 0) return literal(value, indent)
  if (RESOLVED.test(value) || [NUMBER_LIKE, BASE_60, DATE_LIKE].some(form => form.test(value)))
    return JSON.stringify(value)
  if (isPlain(value)) return folded(value, indent, column)
  return folded(`'${value.replaceAll("'", "''")}'`, indent, column)
}

function isPlain(value: string): boolean {
  if (value.startsWith(' ') || value.endsWith(' ') || value.startsWith('---') || value.startsWith('...'))
    return false
  return (!LEADING.test(value) || LEADING_ALLOWED.test(value)) && !INSIDE.test(value)
}

/** Breaks lines as go-yaml's emitter does: at a single space behind the 80th column. */
function folded(value: string, indent: number, column: number): string {
  if (indent < 0) return value
  const margin = ' '.repeat(indent)
  let text = ''
  let at = column
  for (let i = 0; i < value.length; i++) {
    const isLone = value[i] === ' ' && value[i - 1] !== ' ' && value[i + 1] !== ' '
    if (isLone && at > WIDTH && i > 1 && i < value.length - 2) {
      text += `\n${margin}`
      at = indent
    } else {
      text += value[i]
      at++
    }
  }
  return text
}

function literal(value: string, indent: number): string {
  const chomping = value.endsWith('\n\n') || value === '\n' ? '+' : value.endsWith('\n') ? '' : '-'
  // Text that begins with a blank needs an explicit indentation.
  const width = /^[ \n]/.test(value) ? '2' : ''
  const margin = ' '.repeat(indent)
  const lines = value.replace(/\n$/, '').split('\n')
  return `|${width}${chomping}\n${lines.map(line => (line === '' ? '' : margin + line)).join('\n')}`
}
