/**
 * A registry that answers wrongly, one way at a time.
 *
 * @module
 */
import crypto from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import zlib from 'node:zlib'
import type { Scope } from '@pipelayer/testkit'

export type Fault = 'none' | 'status 500' | 'status 404' | 'wrong digest' | 'half a blob'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

/** Serves one image, `a/b:1`, with a fault in it; returns `127.0.0.1:PORT`. Stops with the test. */
export async function badRegistry(t: Scope, fault: Fault): Promise<string> {
  const image = smallImage()
  const server = http.createServer((request, response) => answer({ fault, image, request, response }))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Image {
  readonly manifest: Buffer
  readonly layerDigest: string
  readonly blobs: ReadonlyMap<string, Buffer>
}

interface Exchange {
  readonly fault: Fault
  readonly image: Image
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
}

function answer({ fault, image, request, response }: Exchange): void {
  const status = fault.match(/^status (\d+)$/)?.[1]
  if (status && request.url !== '/v2/') return void response.writeHead(Number(status)).end('{"errors":[]}')
  if (request.url === '/v2/') return void response.writeHead(200).end('{}')
  if (request.url?.includes('/manifests/')) {
    response.writeHead(200, { 'content-type': MANIFEST, 'docker-content-digest': digestOf(image.manifest) })
    return void response.end(request.method === 'HEAD' ? undefined : image.manifest)
  }
  const digest = request.url?.match(/\/blobs\/(sha256:[0-9a-f]+)$/)?.[1] ?? ''
  const blob = image.blobs.get(digest)
  if (!blob) return void response.writeHead(404).end()
  sendBlob({ fault: digest === image.layerDigest ? fault : 'none', blob, response })
}

function sendBlob({
  fault,
  blob,
  response,
}: {
  fault: Fault
  blob: Buffer
  response: http.ServerResponse
}): void {
  response.writeHead(200, { 'content-length': blob.length, 'content-type': 'application/octet-stream' })
  if (fault === 'wrong digest') return void response.end(Buffer.alloc(blob.length, 'x'))
  if (fault !== 'half a blob') return void response.end(blob)
  response.write(blob.subarray(0, blob.length >> 1), () => response.destroy())
}

function smallImage(): Image {
  // An empty tar: two blocks of zeros.
  const tar = Buffer.alloc(1024)
  const layer = zlib.gzipSync(tar)
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    history: [{ created_by: 'test' }],
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: config.length,
    },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: digestOf(layer),
        size: layer.length,
      },
    ],
  })
  return {
    manifest,
    layerDigest: digestOf(layer),
    blobs: new Map([config, layer].map(blob => [digestOf(blob), blob])),
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function digestOf(bytes: Buffer): string {
  return `sha256:${crypto.createHash('sha256').update(bytes).digest('hex')}`
}
