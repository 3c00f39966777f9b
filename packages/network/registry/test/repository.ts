import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { Repository, type SessionOptions } from '../src/index.js'
import { type Handler, type Scope, type Seen, serve } from './server.js'

export const BLOB = Buffer.from('the bytes of a blob')
export const DESCRIPTOR = { mediaType: 'application/octet-stream', digest: digestOf(BLOB), size: BLOB.length }
export const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { ...DESCRIPTOR, mediaType: MEDIA_TYPES.ociConfig },
    layers: [],
  }),
)
export const TYPE = { 'content-type': MEDIA_TYPES.ociManifest }
export const FAST = { tries: 3, baseMs: 1, maxMs: 5 }
export const me = { username: 'me', password: 'p:w' }

export async function repository(
  t: Scope,
  handler: Handler,
  options: Partial<SessionOptions> = {},
): Promise<{ repo: Repository; seen: Seen[]; host: string }> {
  const { host, seen } = await serve(t, handler)
  const repo = new Repository({ domain: host, path: 'a/b', retry: FAST, ...options })
  t.teardown(() => repo.close())
  return { repo, seen, host }
}

export async function text(source: AsyncIterable<Buffer>): Promise<string> {
  let all = ''
  for await (const chunk of source) all += chunk
  return all
}

// Sends half of the body and then cuts the connection.
export const cut: Handler = (_request, response) => {
  response.writeHead(200, { 'content-length': BLOB.length })
  response.write(BLOB.subarray(0, 5), () => response.destroy())
}

export function chunks(bytes: Buffer): () => AsyncIterable<Buffer> {
  return async function* () {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
  }
}
