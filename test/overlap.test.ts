// Parts of a pipe that run at the same time, proven by one side that waits for the other.
import fs from 'node:fs'
import zlib from 'node:zlib'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'
import { waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { describe, digestOf, type Exchange, imageOf, misbehaving } from './bad-registry.js'
import { lab } from './lab.js'

/** A tar with one file. */
function tarOf(name: string): Buffer {
  const mtime = { seconds: 0, nanoseconds: 0 }
  const { uid = 0, gid = 0 } = { uid: process.getuid?.(), gid: process.getgid?.() }
  const entry = { name, type: 'file', mode: 0o644, uid, gid, size: name.length, mtime } as const
  return Buffer.concat([encodeHeader(entry), Buffer.from(name), padding(name.length), END_BLOCKS])
}

for (const [form, made] of [
  ['', 'rootfs/first'],
  ['--overlay --xattrs user', 'rootfs/0001/first'],
] as const)
  t.test(`untar ${form} unpacks the first layer while the second one is not there yet`, async t => {
    const place = lab(t)
    const tars = [tarOf('first'), tarOf('second')]
    const layers = tars.map(tar => zlib.gzipSync(tar))
    const [, second = Buffer.alloc(0)] = layers
    const image = imageOf({
      config: { rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } },
      manifest: good => ({
        ...good,
        layers: layers.map(layer => describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
      }),
      blobs: layers,
    })
    // The second layer is held back until the test releases it.
    const held: (() => void)[] = []
    let isHeld = true
    const answer = ({ url, response }: Exchange): boolean => {
      if (!isHeld || !url.endsWith(digestOf(second))) return false
      const length = { 'content-length': second.length, 'content-type': 'application/octet-stream' }
      held.push(() => response.writeHead(200, length).end(second))
      return true
    }
    const { host } = await misbehaving(t, answer, image)
    const pipe = place.start(`img-pull --plain-http ${host}/a/b:1 | untar ${form} out`)
    await waitUntil('a file of the first layer is there', () =>
      fs.readdirSync(place.dir).some(name => fs.existsSync(place.path(name, made))),
    )
    t.notOk(fs.existsSync(place.path('out')), 'nothing is published yet')
    await waitUntil('the second layer is asked for', () => held.length > 0)
    isHeld = false
    for (const give of held) give()
    const { statuses, stderr } = await pipe.done
    t.same(statuses, [0, 0], stderr)
    const names = fs.readdirSync(place.path('out'), { recursive: true }).map(String)
    t.ok(
      ['first', 'second'].every(file => names.some(name => name.endsWith(file))),
      names.join(' '),
    )
  })
