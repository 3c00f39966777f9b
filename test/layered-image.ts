import path from 'node:path'
import { Layout } from '@pipelayer/layout'
import { handmade, type Item } from '@pipelayer/testkit'

/** Puts an image of these layers, base first, into the OCI layout `layout` of a folder. */
export function layeredImage(dir: string, name: string, layers: readonly (readonly Item[])[]): void {
  const layout = Layout.open(path.join(dir, 'layout'), { create: true })
  const put = (content: Buffer | object, mediaType: string) => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const { digest, size } = layout.putBytes(bytes)
    return { mediaType, digest, size }
  }
  const parts = layers.map(items => put(handmade(items), 'application/vnd.oci.image.layer.v1.tar'))
  const rootfs = { type: 'layers', diff_ids: parts.map(({ digest }) => digest) }
  const config = put(
    { os: 'linux', architecture: 'amd64', config: { Cmd: ['/bin/sh'] }, rootfs },
    'application/vnd.oci.image.config.v1+json',
  )
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  layout.tag(put({ schemaVersion: 2, mediaType, config, layers: parts }, mediaType), name)
}
