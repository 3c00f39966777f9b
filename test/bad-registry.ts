/**
 * A registry that gives wrong answers, in one way for each test.
 *
 * @module
 */
import crypto from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import zlib from 'node:zlib'
import type { Scope } from '@pipelayer/testkit'

export type Fault = 'none' | 'status 500' | 'status 404' | 'wrong digest' | 'half a blob'

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Answers one request; false: the registry answers it correctly. */
export type Answer = (exchange: Exchange) => boolean

export interface Exchange {
  readonly image: Image
  /** The path and the query. */
  readonly url: string
  readonly method: string
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  /** `127.0.0.1:PORT` of this server. */
  readonly host: string
}

export interface BadRegistry {
  readonly host: string
  readonly image: Image
  /** `METHOD URL`, then, if there was one, a blank and the Authorization header. */
  readonly seen: readonly string[]
}

/** Serves one image, `a/b:1`; requests that `answer` takes get its answers. Stops with the test. */
export async function misbehaving(t: Scope, answer: Answer, image = imageOf()): Promise<BadRegistry> {
  const seen: string[] = []
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request
    seen.push([method, url, headers.authorization ?? ''].join(' ').trim())
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    request.resume()
    if (!answer({ image, url, method, request, response, host })) answerWell(image, method, url, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, image, seen }
}

/** Serves one image, `a/b:1`, with a fault in it; returns `127.0.0.1:PORT`. Stops with the test. */
export async function badRegistry(t: Scope, fault: Fault): Promise<string> {
  return (await misbehaving(t, exchange => answerBadly(fault, exchange))).host
}

export interface Image {
  readonly manifest: Buffer
  readonly mediaType: string
  readonly layerDigest: string
  readonly blobs: ReadonlyMap<string, Buffer>
}

function answerBadly(fault: Fault, { image, url, response }: Exchange): boolean {
  const status = fault.match(/^status (\d+)$/)?.[1]
  if (status && url !== '/v2/') {
    response.writeHead(Number(status)).end('{"errors":[]}')
    return true
  }
  const blob = url.endsWith(image.layerDigest) ? image.blobs.get(image.layerDigest) : undefined
  if (blob === undefined || !['wrong digest', 'half a blob'].includes(fault)) return false
  response.writeHead(200, { 'content-length': blob.length, 'content-type': 'application/octet-stream' })
  if (fault === 'wrong digest') response.end(Buffer.alloc(blob.length, 'x'))
  else response.write(blob.subarray(0, blob.length >> 1), () => response.destroy())
  return true
}

function answerWell(image: Image, method: string, url: string, response: http.ServerResponse): void {
  if (url === '/v2/') return void response.writeHead(200).end('{}')
  const isManifest = url.includes('/manifests/')
  const digest = url.match(/\/(sha256:[0-9a-f]+)$/)?.[1] ?? ''
  const bytes = isManifest && !image.blobs.has(digest) ? image.manifest : image.blobs.get(digest)
  if (bytes === undefined) return void response.writeHead(404).end('{"errors":[]}')
  const type = isManifest ? typeOf(bytes, image) : 'application/octet-stream'
  const known = isManifest ? { 'docker-content-digest': digestOf(bytes) } : {}
  response.writeHead(200, { 'content-type': type, 'content-length': bytes.length, ...known })
  response.end(method === 'HEAD' ? undefined : bytes)
}

function typeOf(bytes: Buffer, image: Image): string {
  if (bytes === image.manifest) return image.mediaType
  return /"mediaType":"([^"]*index[^"]*)"/.exec(bytes.toString())?.[1] ?? MANIFEST
}

/**
 * An image with changes in its documents. A change that is a text replaces the whole document, so that it need not be
 * an object.
 */
export function imageOf(change: ImageChange = {}): Image {
  // An empty tar consists of two blocks of zeros.
  const tar = Buffer.alloc(1024)
  const layer = change.layer ?? zlib.gzipSync(tar)
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOf(change.layer ?? tar)] },
    history: [{ created_by: 'test' }],
    ...change.config,
  })
  const described = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describe('application/vnd.oci.image.config.v1+json', config),
    layers: [describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
  }
  const changed = change.manifest?.(described) ?? described
  return {
    manifest: Buffer.isBuffer(changed) ? changed : json(changed),
    mediaType: change.mediaType ?? MANIFEST,
    layerDigest: digestOf(layer),
    blobs: new Map([config, layer, ...(change.blobs ?? [])].map(blob => [digestOf(blob), blob])),
  }
}

export interface ImageChange {
  readonly layer?: Buffer
  readonly config?: object
  readonly manifest?: (good: GoodManifest) => object | Buffer
  /** Content-Type of the manifest. */
  readonly mediaType?: string
  /** Further blobs, and manifests by digest. */
  readonly blobs?: readonly Buffer[]
}

export interface GoodManifest {
  readonly config: DescriptorOf
  readonly layers: readonly DescriptorOf[]
  readonly [field: string]: unknown
}

interface DescriptorOf {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export function describe(mediaType: string, bytes: Buffer): DescriptorOf {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${crypto.createHash('sha256').update(bytes).digest('hex')}`
}
