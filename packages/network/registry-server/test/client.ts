/**
 * A server on loopback, a client that can send broken requests, and a small image.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import http from 'node:http'
import path from 'node:path'
import { DistributionFolder } from '@pipelayer/distribution-folder'
import { Layout } from '@pipelayer/layout'
import { tempDir } from '@pipelayer/testkit'
import type { Test } from 'tap'
import { FolderStorage, LayoutStorage, RegistryServer } from '../src/index.js'
import type { ServerOptions } from '../src/server.js'

/** In milliseconds. */
export const HOUR_MS = 3_600_000

export type Kind = 'layout' | 'folder'
export const KINDS: readonly Kind[] = ['layout', 'folder']

export interface Lab {
  readonly dir: string
  readonly server: RegistryServer
  readonly warnings: string[]
  send(method: string, url: string, options?: SendOptions): Promise<Answer>
  /** Ends the server and starts another one on the same folder. */
  restart(options?: Partial<ServerOptions>): Promise<Lab>
  /** Starts one more server beside this one, on the same folder. */
  another(options?: Partial<ServerOptions>): Promise<Lab>
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
  /** Break the connection off after the body, which is shorter than its Content-Length. */
  readonly breakOff?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  readonly json: Record<string, unknown>
  /** The code of the first error. */
  readonly code: string | undefined
}

export async function startLab(t: Test, kind: Kind, options: Partial<ServerOptions> = {}): Promise<Lab> {
  return open(t, path.join(tempDir(t), 'images'), { kind, ...options })
}

async function open(t: Test, dir: string, options: Partial<ServerOptions> & { kind: Kind }): Promise<Lab> {
  const { kind, ...rest } = options
  const storage =
    kind === 'folder'
      ? new FolderStorage(DistributionFolder.open(dir, { create: true }))
      : new LayoutStorage(Layout.open(dir, { create: true }))
  const warnings: string[] = []
  const warn = (message: string): unknown => warnings.push(message)
  const fixed = {
    storage,
    host: '127.0.0.1',
    port: 0,
    limits: { uploadExpiryMs: HOUR_MS },
    now: () => Date.now(),
    warn,
  }
  const server = await RegistryServer.start({ ...fixed, ...rest })
  let isOpen = true
  const close = async (): Promise<void> => {
    if (isOpen) await server.close(1000)
    isOpen = false
  }
  t.teardown(close)
  const send = (method: string, url: string, sent: SendOptions = {}): Promise<Answer> =>
    request(new URL(url, server.url), method, sent)
  const restart = async (again: Partial<ServerOptions> = {}): Promise<Lab> => {
    await close()
    return open(t, dir, { kind, ...again })
  }
  const another = (more: Partial<ServerOptions> = {}): Promise<Lab> => open(t, dir, { kind, ...more })
  return { dir, server, warnings, send, restart, another }
}

function request(url: URL, method: string, { headers, body, breakOff }: SendOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // The path is sent as it is written, since URL would remove "/../".
    const target = url.pathname + url.search
    const sent = http.request(
      url,
      { method, path: target, headers: { ...headers }, agent: false },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk)).on('error', reject)
        response.on('end', () => resolve(answerOf(response, Buffer.concat(chunks))))
      },
    )
    sent.on('error', reject)
    if (breakOff) sent.write(body ?? '', () => setImmediate(() => sent.destroy(new Error('broken off'))))
    else sent.end(body)
  })
}

function answerOf({ statusCode = 0, headers }: http.IncomingMessage, body: Buffer): Answer {
  const isJSON = body.length > 0 && /json/.test(headers['content-type'] ?? '')
  const json = isJSON ? (JSON.parse(body.toString('utf8')) as Record<string, unknown>) : {}
  const [first] = (json.errors ?? []) as { code: string }[]
  return { status: statusCode, headers, body, json, code: first?.code }
}

export function digestOf(content: Buffer | string, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`
}

export const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
}

export const describe = (mediaType: string, content: Buffer | string, more: object = {}): object => ({
  mediaType,
  digest: digestOf(content),
  size: Buffer.byteLength(content),
  ...more,
})

export const CONFIG = '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
export const LAYER = 'a layer, as far as a registry can tell'

export function manifest(
  more: object = {},
  layers: readonly object[] = [describe(TYPES.layer, LAYER)],
): string {
  const config = describe(TYPES.config, CONFIG)
  return JSON.stringify({ schemaVersion: 2, mediaType: TYPES.manifest, config, layers, ...more })
}

export async function putBlob({ send }: Lab, name: string, content: Buffer | string): Promise<Answer> {
  const { headers } = await send('POST', `/v2/${name}/blobs/uploads/`)
  return send('PUT', `${headers.location}?digest=${digestOf(content)}`, { body: content })
}

export function putManifest({ send }: Lab, name: string, reference: string, body: string): Promise<Answer> {
  const { mediaType = TYPES.manifest } = JSON.parse(body) as { mediaType?: string }
  return send('PUT', `/v2/${name}/manifests/${reference}`, { headers: { 'content-type': mediaType }, body })
}

/** Blobs and a manifest under a tag. */
export async function push(lab: Lab, name: string, tag: string, body = manifest()): Promise<Answer> {
  for (const content of [CONFIG, LAYER]) await putBlob(lab, name, content)
  return putManifest(lab, name, tag, body)
}
