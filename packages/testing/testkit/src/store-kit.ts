import fs from 'node:fs'
import path from 'node:path'
import { type Digest, digestOf } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import { bare, type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import { Store } from '@pipelayer/store'
import { type ImageHolder, storeImage, storeIndex } from './stored-image.js'
import { type Scope, tempDir } from './temp.js'

type Named = Pick<Descriptor, 'mediaType' | 'digest' | 'size'>

/** The time of the tests, and one that is older than the least age. */
export const NOW = new Date('2026-01-10T00:00:00Z')
export const LONG_AGO = new Date('2026-01-01T00:00:00Z')

/** A store that tests fill. Everything in it is old unless said. */
export class StoreKit implements ImageHolder {
  readonly root: string
  readonly store: Store

  constructor(t: Scope) {
    this.root = path.join(tempDir(t, 'gc'), 'store')
    this.store = Store.open(this.root)
    // Nobody works with the store while a test collects it.
    this.store.endLease()
  }

  putBytes(bytes: Uint8Array): { readonly digest: Digest; readonly size: number } {
    const { digest, size, path: file } = this.store.putBytes(bytes)
    this.age(file)
    return { digest, size }
  }

  tag(descriptor: Named, name?: string): void {
    this.store.tag(bare(descriptor), name)
  }

  blob(content: string | object, mediaType: string = MEDIA_TYPES.ociLayer): Named {
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    return { mediaType, ...this.putBytes(bytes) }
  }

  /**
   * An image of one layer, without a name.
   *
   * @param more - fields of its manifest
   * @returns also the digests of its manifest, config and layer
   */
  image(content: string, more: object = {}): Named & { readonly parts: readonly Digest[] } {
    const layer = `layer ${content}`
    const manifest = storeImage(this, { layers: [layer], manifest: more })
    const { config } = JSON.parse(this.store.readBlob(manifest.digest).toString()) as { config: Named }
    return { ...bare(manifest), parts: [manifest.digest, config.digest, digestOf(layer)] }
  }

  index(manifests: readonly Named[]): Named {
    return storeIndex(this, manifests.map(bare))
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
