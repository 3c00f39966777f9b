// An image that the tests of this tool unpack.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import type { AnyRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'

/** A store with an image of two layers: the first has `a` and `d/b`; the second adds `d/c` and deletes `a`. */
export function imageIn(top: string): {
  store: Store
  layers: AnyRecord[]
  config: AnyRecord
  manifest: AnyRecord
} {
  const store = Store.open(path.join(top, 'store'))
  const scripts = [
    'mkdir d; echo 1 > a; echo 2 > d/b; chmod 700 d',
    'mkdir d; echo 3 > d/c; : > .wh.a; chmod 711 d',
  ]
  const layers = scripts.map((script, index) => {
    const dir = path.join(top, `layer${index}`)
    fs.mkdirSync(dir)
    execFileSync('sh', ['-ec', script], { cwd: dir })
    const tar = execFileSync('sh', ['-c', 'tar -cf - $(ls -A)'], { cwd: dir })
    const { digest, size, path: file } = store.putBytes(execFileSync('gzip', ['-n'], { input: tar }))
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
    return { type: 'layer', image: '1', mediaType, digest, size, diffID: digestOf(tar), path: file }
  })
  const document = {
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffID }) => diffID) },
  }
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...store.putBytes(Buffer.from(JSON.stringify(document))),
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const bare = ({ mediaType, digest, size }: Record<string, unknown>): object => ({ mediaType, digest, size })
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config: bare(config), layers: layers.map(bare) })
  return {
    store,
    layers,
    config: { type: 'config', image: '1', ...config, config: document },
    manifest: { type: 'manifest', image: '1', root: true, mediaType, ...store.putBytes(Buffer.from(text)) },
  }
}
