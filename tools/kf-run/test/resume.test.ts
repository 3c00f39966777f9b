// The transfer of a base's layer breaks off: the next build goes on where the killed one stopped.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { digestOf, encodedOf } from '@pipelayer/digest'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import { need, type Scope, serve, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { Lab } from './kit.js'

const skip = need('root', 'busybox', 'tar', 'unshare', 'setpriv')
/** How many bytes of the layer the first request for it gets. */
const FIRST = 2 * 1024 * 1024

interface Slow {
  readonly host: string
  readonly layer: Descriptor
  /** The `range` of each request for the layer. */
  readonly ranges: (string | undefined)[]
  /** How many bytes of the layer were sent. */
  sent(): number
}

/** A layer of one file of random bytes, `/f`. */
function makeLayer(dir: string): Buffer {
  fs.writeFileSync(path.join(dir, 'f'), randomBytes(2 * FIRST))
  return execFileSync('tar', ['-c', '-C', dir, 'f'], { maxBuffer: 4 * FIRST })
}

/** A registry with one image. The first request for its layer gets a part of it, and then hangs. */
async function slowRegistry(t: Scope, bytes: Buffer): Promise<Slow> {
  const documents = new Map<string, { readonly mediaType: string; readonly bytes: Buffer }>()
  const keep = (mediaType: string, bytes: Buffer): Descriptor => {
    documents.set(digestOf(bytes), { mediaType, bytes })
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const layer = keep(MEDIA_TYPES.ociLayer, bytes)
  const platform = { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch }
  const rootfs = { type: 'layers', diff_ids: [layer.digest] }
  const config = keep(MEDIA_TYPES.ociConfig, Buffer.from(JSON.stringify({ ...platform, config: {}, rootfs })))
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [layer] }
  const manifest = keep(MEDIA_TYPES.ociManifest, Buffer.from(JSON.stringify(document)))
  const ranges: (string | undefined)[] = []
  let sent = 0
  const giveLayer = (range: string | undefined, response: ServerResponse): void => {
    ranges.push(range)
    const first = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    const headers = {
      'content-length': bytes.length - first,
      'content-range': `bytes ${first}-${bytes.length - 1}/${bytes.length}`,
    }
    response.writeHead(range === undefined ? 200 : 206, headers)
    const part = bytes.subarray(first, ranges.length === 1 ? FIRST : undefined)
    sent += part.length
    if (ranges.length === 1) response.write(part)
    else response.end(part)
  }
  const { url } = await serve(t, ({ url: asked = '', headers }, response) => {
    const name = asked.slice(asked.lastIndexOf('/') + 1)
    const found = documents.get(name === 'one' ? manifest.digest : name)
    if (found === undefined) response.writeHead(404).end()
    else if (name === layer.digest) giveLayer(headers.range, response)
    else response.writeHead(200, { 'content-type': found.mediaType }).end(found.bytes)
  })
  return { host: url.replace('http://', ''), layer, ranges, sent: () => sent }
}

t.test('kf-run is killed in the middle of a layer', { skip }, async t => {
  const rows: readonly [dockerfile: (image: string) => string, args: string, why: string][] = [
    [image => `FROM ${image}\nLABEL a=b\n`, '', 'the base'],
    [image => `FROM ${image}\nLABEL a=b\n`, '--pull', 'the base, with --pull'],
    [image => `FROM scratch\nCOPY --from=${image} /f /g\n`, '', 'an image that is copied from'],
  ]
  for (const [dockerfile, args, why] of rows) {
    const here = new Lab(tempDir(t, 'resume'))
    const { host, layer, ranges, sent } = await slowRegistry(t, makeLayer(here.dir))
    const text = dockerfile(`${host}/base:one`)
    const running = here.start(text, args)
    const partial = path.join(here.store, 'partial', `sha256-${encodedOf(layer.digest)}`)
    // The first run is killed when the store has the first part, which the second run must not ask for again.
    await waitUntil('the first part is in the store', () => {
      return (fs.statSync(partial, { throwIfNoEntry: false })?.size ?? 0) >= FIRST
    })
    process.kill(-running.pid, 'SIGKILL')
    await running.done
    const again = await here.run(text, args)
    t.equal(again.status, 0, `${why} ${again.stderr}`)
    t.match(ranges, [undefined, `bytes=${FIRST}-${layer.size - 1}`], `the rest is asked for: ${why}`)
    t.equal(sent(), layer.size, `no byte comes twice: ${why}`)
  }
})
