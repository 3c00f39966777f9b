/**
 * Reads the bodies of an engine's answers.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { ToolError } from '@pipelayer/errors'
import { isObject, type JsonObject } from '@pipelayer/oci'

/** The most bytes of one message, and of all messages: engines send some hundred bytes for each image. */
const MAX_LINE = 1024 * 1024
const MAX_MESSAGES = 64 * 1024 * 1024

/** A whole body; undefined where it has more bytes. The connection is given up then. */
export async function bytesOf(response: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > limit) {
      response.destroy()
      return undefined
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A JSON object; undefined for anything else. */
export function objectOf(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/**
 * The messages of a body: JSON objects, each on a line.
 *
 * @throws ToolError `ENGINE_INVALID` for a line that is none or is longer than 1 MiB, and for more than 64 MiB in all
 */
export async function* messagesOf(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<JsonObject, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  let total = 0
  for await (const chunk of source) {
    total += chunk.length
    if (total > MAX_MESSAGES) throw invalid(`its answer has more than ${MAX_MESSAGES} bytes`)
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a, start)) {
      yield* messageIn(rest.subarray(start, end))
      start = end + 1
    }
    rest = rest.subarray(start)
    if (rest.length > MAX_LINE) throw invalid(`a line of its answer has more than ${MAX_LINE} bytes`)
  }
  yield* messageIn(rest)
}

function* messageIn(line: Buffer): Generator<JsonObject, void, undefined> {
  if (line.toString('latin1').trim() === '') return
  const message = objectOf(line)
  if (message === undefined) throw invalid('its answer is no JSON')
  yield message
}

/** What answered is no Docker engine, or a broken one. */
export function invalid(why: string): ToolError {
  return new ToolError('ENGINE_INVALID', `the engine does not speak as Docker's: ${why}`)
}

/** The text of a message which says that something failed; undefined for any other message. */
export function errorIn({ error, errorDetail }: JsonObject): string | undefined {
  const detail = isObject(errorDetail) ? errorDetail.message : undefined
  const text = detail ?? error ?? errorDetail
  if (text === undefined || text === null) return undefined
  return typeof text === 'string' ? text : JSON.stringify(text)
}

/**
 * The names, or the ids, of the images that a message says are loaded: `Loaded image: app:1`, `Loaded image ID:
 * sha256:...`; podman joins several names by commas.
 */
export function loadedIn({ stream }: JsonObject): string[] {
  if (typeof stream !== 'string') return []
  return stream.split('\n').flatMap(line => {
    const names = /^Loaded image(?:\(s\))?(?: ID)?: (.+)$/.exec(line.trim())?.[1]
    return (names?.split(',') ?? []).map(name => name.trim())
  })
}
