/**
 * Judges the package registry-server by calls to it: each row is one call, on a server of its own in an empty layout.
 *
 * The rows come from a registry that takes any bytes for a manifest and any ID for an upload. Ours accepts neither, so
 * the state that a row presupposes is set up in a valid form: a small manifest in place of its text, a session in place
 * of its ID. The digests, sizes and addresses of the row are replaced by the real ones, in the call and in the expected
 * answer.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { Layout } from '@pipelayer/layout'
import { LayoutStorage, RegistryServer } from '@pipelayer/registry-server'
import { same, type Verdict } from './dockerfile.js'

interface Call {
  readonly Method: string
  readonly URL: string
  readonly Body?: string
  readonly RequestHeader?: Readonly<Record<string, string>>
  /** Blobs by digest. */
  readonly Digests?: Readonly<Record<string, string>>
  /** Texts by `NAME/manifests/TAG`. */
  readonly Manifests?: Readonly<Record<string, string>>
  /** The bytes of an upload, by its ID. */
  readonly BlobStream?: Readonly<Record<string, string>>
}

interface Row {
  readonly id: string
  readonly in: Call
  readonly want: {
    readonly Code: number
    readonly Header?: Readonly<Record<string, string>>
    readonly Want?: string
  }
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

type Replace = (text: string) => string

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const CONFIG = '{}'

const call = async (row: Row): Promise<Verdict> => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'judge-'))
  const server = await RegistryServer.start({
    storage: new LayoutStorage(Layout.open(path.join(dir, 'layout'), { create: true })),
    host: '127.0.0.1',
    port: 0,
    limits: { uploadExpiryMs: 3_600_000 },
    now: () => 0,
    warn: () => undefined,
  })
  try {
    const replace = await prepare(server.url, row.in)
    const { Method, URL, RequestHeader = {}, Body } = row.in
    const body = Body === undefined ? undefined : documentOf(replace(Body))
    const answer = await send(server.url, Method, replace(URL), { headers: RequestHeader, body })
    return verdictOf(row, answer, replace)
  } finally {
    await server.close(0)
    fs.rmSync(dir, { recursive: true })
  }
}

/** Sets up the state that a call presupposes, and returns how its texts have to be replaced. */
async function prepare(url: string, given: Call): Promise<Replace> {
  const words = new Map<string, string>()
  const replace: Replace = text =>
    [...words].reduce((all, [from, to]) => (from.length > 3 ? all.replaceAll(from, to) : all), text)
  const name = /^\/v2\/(.+?)\/(?:blobs|manifests|referrers|tags)\b/.exec(given.URL)?.[1]
  for (const content of Object.values(given.Digests ?? {})) await putBlob(url, name ?? 'foo', content)
  for (const [target, text] of Object.entries(given.Manifests ?? {})) {
    const manifest = manifestOf(replace(text))
    await putBlob(url, target.split('/manifests/')[0] ?? '', CONFIG)
    await send(url, 'PUT', `/v2/${target}`, { headers: { 'content-type': typeOf(manifest) }, body: manifest })
    words.set(digestOf(text), digestOf(manifest)).set(text, manifest)
  }
  const [, base, id] = /^(.*\/blobs\/uploads\/)([^/?]+)/.exec(given.URL) ?? []
  if (base !== undefined && id !== undefined) {
    const { headers } = await send(url, 'POST', base, {})
    words.set(`${base}${id}`, headers.location ?? '')
    const content = given.BlobStream?.[id]
    if (content !== undefined) await send(url, 'PATCH', headers.location ?? '', { body: content })
  }
  return text =>
    [...words].reduce((all, [from, to]) => (from.length > 3 ? all.replaceAll(from, to) : all), text)
}

async function putBlob(url: string, name: string, content: string): Promise<void> {
  await send(url, 'POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(content)}`, { body: content })
}

/** The text itself if it is a document, otherwise a document that represents it. */
function manifestOf(text: string): string {
  return documentOf(text.startsWith('{') ? text : JSON.stringify({ annotations: { text } }))
}

/** A document with the fields that image-spec demands and the rows leave out. */
function documentOf(text: string): string {
  if (!text.startsWith('{')) return text
  const { manifests, subject, ...document } = JSON.parse(text) as { manifests?: object[]; subject?: object }
  const whole = (descriptor: object): object => ({ mediaType: MANIFEST, size: 3, ...descriptor })
  const mediaType = 'application/vnd.oci.empty.v1+json'
  const config = { mediaType, digest: digestOf(CONFIG), size: CONFIG.length }
  const kind = manifests
    ? { mediaType: INDEX, manifests: manifests.map(whole) }
    : { mediaType: MANIFEST, config, layers: [] }
  return JSON.stringify({
    schemaVersion: 2,
    ...kind,
    ...document,
    ...(subject && { subject: whole(subject) }),
  })
}

function typeOf(document: string): string {
  return document.includes('"manifests"') ? INDEX : MANIFEST
}

function verdictOf({ in: given, want }: Row, answer: Answer, replace: Replace): Verdict {
  const got = same([answer.status], [want.Code])
  if (got !== 'pass') return policyFor(given, answer.status, want.Code) ?? got
  const headers = Object.entries(want.Header ?? {}).filter(([name]) => name !== 'Content-Length' || want.Want)
  for (const [name, value] of headers) {
    const verdict = same([name, answer.headers[name.toLowerCase()]], [name, replace(value)])
    if (verdict !== 'pass') return verdict
  }
  const body = want.Want ?? want.Header?.Want
  if (body === undefined) return 'pass'
  const expected =
    given.Manifests?.[given.URL.replace('/v2/', '')] === body ? manifestOf(body) : replace(body)
  return same(answer.body.trim(), expected.trim())
}

// The cases in which that registry differs from the specifications.
function policyFor(given: Call, got: number, wanted: number): Verdict | undefined {
  const { Method, URL, Body, RequestHeader = {} } = given
  const [first, last] = (RequestHeader['Content-Range'] ?? '').split('-').map(Number)
  if (Method === 'PATCH' && wanted === 202 && first !== undefined && last === first + (Body?.length ?? 0))
    return 'policy:chunk-range-inclusive'
  if (RequestHeader.Range !== undefined && got === 206 && wanted === 416) return 'policy:range-clipped'
  if (Method === 'PUT' && URL.includes('/manifests/') && wanted === 201 && !Body?.startsWith('{'))
    return 'policy:manifests-checked'
  return got === 405 && wanted === 400 ? 'policy:method-not-allowed' : undefined
}

function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function send(
  url: string,
  method: string,
  target: string,
  { headers = {}, body }: { headers?: Readonly<Record<string, string>>; body?: string | undefined },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, path: target, headers, agent: false }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk)).on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      )
    })
    request.on('error', reject).end(body)
  })
}

export const adapters: Record<string, (row: Row) => Promise<Verdict>> = { 'ggcr/registry-calls': call }
