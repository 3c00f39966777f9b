import fs from 'node:fs'
import path from 'node:path'
import type { Digest } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import { Store } from '@pipelayer/store'
import { type Scope, tempDir } from './temp.js'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar'

/** A descriptor. */
export interface Named {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

/** The time of the tests, and one that is older than the least age. */
export const NOW = new Date('2026-01-10T00:00:00Z')
export const LONG_AGO = new Date('2026-01-01T00:00:00Z')

/** A store that tests fill. Everything in it is old unless said. */
export class StoreKit {
  readonly root: string
  readonly store: Store

  constructor(t: Scope) {
    this.root = path.join(tempDir(t, 'gc'), 'store')
    this.store = Store.open(this.root)
    // Nobody works with the store while a test collects it.
    this.store.endLease()
  }

  blob(content: string | object, mediaType = LAYER): Named {
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    const { digest, size, path: file } = this.store.putBytes(bytes)
    this.age(file)
    return { mediaType, digest, size }
  }

  /** An image of one layer. */
  image(content: string, more: object = {}): Named & { readonly parts: readonly Digest[] } {
    const layer = this.blob(`layer ${content}`)
    const config = this.blob(
      { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [layer.digest] } },
      CONFIG,
    )
    const document = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer], ...more }
    const manifest = this.blob(document, MANIFEST)
    return { ...manifest, parts: [manifest.digest, config.digest, layer.digest] }
  }

  index(manifests: readonly Named[]): Named {
    return this.blob({ schemaVersion: 2, mediaType: INDEX, manifests }, INDEX)
  }

  name({ mediaType, digest, size }: Named, name?: string): void {
    this.store.tag({ mediaType, digest, size }, name)
  }

  /** A folder or a file in the store, old. */
  put(name: string, content: string | Readonly<Record<string, string>>): string {
    const file = path.join(this.root, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (typeof content === 'string') fs.writeFileSync(file, content)
    else {
      fs.mkdirSync(file, { recursive: true })
      for (const [entry, text] of Object.entries(content)) this.put(path.join(name, entry), text)
    }
    this.age(file)
    return file
  }

  age(file: string, when = LONG_AGO): void {
    fs.utimesSync(file, when, when)
  }

  has(digest: Digest): boolean {
    return fs.existsSync(this.store.blobPath(digest))
  }

  names(): (string | undefined)[] {
    return this.store.index().manifests.map(({ annotations }) => annotations?.[REF_NAME])
  }
}
