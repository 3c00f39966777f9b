/**
 * Strict JSON for documents from outside: any two readers must see the same in one document.
 *
 * JSON.parse keeps the last of two equal keys, other readers keep the first; a document that relies on either is
 * refused. So are a byte-order mark, text that is not UTF-8, and nesting deep enough to hurt a recursive reader.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

export type JsonObject = Readonly<Record<string, unknown>>

/** Bytes of a manifest, an index or a config at most. Spec: distribution-spec v1.1, "Pushing Manifests". */
export const MAX_DOCUMENT = 4 * 1024 * 1024
const MAX_DEPTH = 64

/**
 * Reads an object.
 *
 * @param what - the kind of document, with the error code to use: `['MANIFEST_INVALID', 'manifest']`
 * @throws ToolError with that code; `DOCUMENT_TOO_LARGE`
 */
export function parseObject(bytes: Uint8Array, what: readonly [code: string, name: string]): JsonObject {
  const [code, name] = what
  if (bytes.length > MAX_DOCUMENT) {
    throw new ToolError('DOCUMENT_TOO_LARGE', `${name} has ${bytes.length} bytes, more than ${MAX_DOCUMENT}`)
  }
  let value: unknown
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
    checkStructure(text)
  } catch (cause) {
    throw new ToolError(code, `${name} is not usable JSON: ${(cause as Error).message}`, { cause })
  }
  if (!isObject(value)) throw new ToolError(code, `${name} is not a JSON object`)
  return value
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Walks through text that JSON.parse has accepted, where only strings and brackets matter. Each open object has a set
// of its keys so far.
function checkStructure(text: string): void {
  const stack: (Set<string> | undefined)[] = []
  const token = /"((?:[^"\\]|\\.)*)"(\s*:)?|[{}[\]]/gsu
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [whole, body, colon] = match
    if (whole === '{') stack.push(new Set())
    else if (whole === '[') stack.push(undefined)
    else if (body === undefined) stack.pop()
    else if (colon !== undefined) addKey(stack.at(-1), body)
    if (stack.length > MAX_DEPTH) throw new Error(`nested deeper than ${MAX_DEPTH} levels`)
  }
}

function addKey(keys: Set<string> | undefined, body: string): void {
  const key = body.includes('\\') ? (JSON.parse(`"${body}"`) as string) : body
  if (keys?.has(key)) throw new Error(`the key ${JSON.stringify(key.slice(0, 100))} occurs twice`)
  keys?.add(key)
}
