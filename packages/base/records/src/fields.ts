import { isUtf8 } from 'node:buffer'
import { visible } from '@pipelayer/errors'

/**
 * Names of files are bytes. Inside the programs they travel as binary strings (one character per byte, so `<`
 * is byte order); in records as text, or as base64 under `<field>Raw` where they are not valid UTF-8.
 *
 * @module
 */

/** The fields that carry `binary` in a record: `{path}` or, for what is not UTF-8, `{pathRaw}`. */
export function nameFields<F extends string>(
  field: F,
  binary: string,
): Record<F, string> | Record<`${F}Raw`, string> {
  // An ASCII name is its own UTF-8 form, so nearly every name needs no buffer.
  if (isAscii(binary)) return { [field]: binary } as Record<F, string>
  const bytes = Buffer.from(binary, 'latin1')
  if (isUtf8(bytes)) return { [field]: bytes.toString('utf8') } as Record<F, string>
  return { [`${field}Raw`]: bytes.toString('base64') } as Record<`${F}Raw`, string>
}

/** The binary string that a record carries under `field` or `<field>Raw`; undefined where it has neither. */
export function nameOf(record: object, field: string): string | undefined {
  const text: unknown = Reflect.get(record, field)
  if (typeof text === 'string') return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
  const raw: unknown = Reflect.get(record, `${field}Raw`)
  return typeof raw === 'string' ? Buffer.from(raw, 'base64').toString('latin1') : undefined
}

/**
 * A binary string as text for people: bytes that are not UTF-8 and characters that a terminal obeys are escaped as
 * `\xHH` and `\uHHHH`.
 */
export function showName(binary: string): string {
  const bytes = Buffer.from(binary, 'latin1')
  if (isUtf8(bytes)) return visible(bytes.toString('utf8'))
  return visible(binary).replace(/[\xa0-\xff]/g, c => `\\x${c.charCodeAt(0).toString(16)}`)
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}
