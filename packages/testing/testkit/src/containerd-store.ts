import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Descriptor } from '@pipelayer/oci'
import { type BoltTree, boltFile } from './bolt-file.js'
import type { ImageHolder } from './stored-image.js'

/** Fields that a database of containerd has for a namespace, beside its images. */
const OTHERS = { labels: { made: 'by a test' } }

/** A folder as containerd keeps its images, which `storeImage` fills. */
export class ContainerdStore {
  readonly root: string
  readonly #images = new Map<string, Record<string, BoltTree>>()

  constructor(root: string) {
    this.root = root
  }

  /** The database of the names. */
  get metadata(): string {
    return path.join(this.root, 'io.containerd.metadata.v1.bolt', 'meta.db')
  }

  blobPath(digest: string): string {
    return path.join(this.root, 'io.containerd.content.v1.content', 'blobs', digest.replace(':', '/'))
  }

  /** Where the images of a namespace are put. */
  namespace(name: string): ImageHolder {
    this.#images.set(name, this.#images.get(name) ?? {})
    return {
      putBytes: bytes => this.#put(bytes),
      tag: (descriptor, image = '') => this.tag(name, image, descriptor),
    }
  }

  tag(namespace: string, image: string, { digest, mediaType, size }: Descriptor): void {
    const target = { digest, mediatype: mediaType, size: varint(size) }
    this.#images.set(namespace, {
      ...this.#images.get(namespace),
      [image]: { createdat: Buffer.alloc(15, 1), labels: { 'io.cri-containerd.image': 'managed' }, target },
    })
    this.write()
  }

  write(): void {
    const namespaces = [...this.#images].map(([name, images]) => [name, { images, ...OTHERS }] as const)
    fs.mkdirSync(path.dirname(this.metadata), { recursive: true })
    fs.writeFileSync(this.metadata, boltFile({ v1: { version: '4', ...Object.fromEntries(namespaces) } }))
  }

  #put(bytes: Uint8Array): { readonly digest: string; readonly size: number } {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    fs.mkdirSync(path.dirname(this.blobPath(digest)), { recursive: true })
    fs.writeFileSync(this.blobPath(digest), bytes)
    return { digest, size: bytes.length }
  }
}

function varint(number: number): Buffer {
  const bytes: number[] = []
  let rest = BigInt(number) * 2n
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}
