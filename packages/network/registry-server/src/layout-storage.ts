import fs from 'node:fs'
import path from 'node:path'
import type { Digest } from '@pipelayer/digest'
import { isName } from '@pipelayer/distribution-folder'
import { systemError, ToolError } from '@pipelayer/errors'
import { type Layout, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { isIndexType, parseManifest } from '@pipelayer/oci'
import { IndexView, withName, withoutName } from './layout-index.js'
import type { NewManifest, RegistryStorage, RepositoryStorage, StoredFile } from './storage.js'

/** How deep indexes may lie in indexes. */
const MAX_DEPTH = 4
/** The most indexes whose children are remembered. */
const MAX_KNOWN = 10_000

/**
 * A storage in an OCI image layout, such as the local store. Repositories share its content: each may serve every blob,
 * and every manifest that index.json lists or that a listed index names. Blobs are never removed here, since other
 * programs may need them.
 */
export class LayoutStorage implements RegistryStorage {
  readonly layout: Layout
  readonly #own: string | undefined
  readonly #children = new Map<Digest, readonly Digest[]>()
  #seen: { readonly state: string; readonly view: IndexView } | undefined

  constructor(layout: Layout) {
    this.layout = layout
    const own = path.basename(layout.root).toLowerCase()
    this.#own = isName(own) ? own : undefined
  }

  /** The present index.json, which is read again only when it was replaced. */
  get view(): IndexView {
    const { ino, mtimeMs, size } = fs.statSync(path.join(this.layout.root, 'index.json'))
    const state = `${ino} ${mtimeMs} ${size}`
    if (this.#seen?.state !== state) {
      this.#seen = { state, view: new IndexView(this.layout.index(), this.#own) }
    }
    return this.#seen.view
  }

  async repositories(): Promise<string[]> {
    return this.view.repositories()
  }

  repository(name: string): RepositoryStorage {
    return new LayoutRepositoryStorage(this, name)
  }

  async uploadFolders(): Promise<string[]> {
    const root = this.uploads
    return fs.existsSync(root) ? fs.readdirSync(root).map(name => path.join(root, name)) : []
  }

  get uploads(): string {
    return path.join(this.layout.root, 'uploads')
  }

  /** Every manifest that index.json lists, directly or through an index. */
  *reachable(): Generator<Digest, void, undefined> {
    const seen = new Set<Digest>()
    const waiting = [...this.view.listed.keys()].map(digest => ({ digest, depth: 0 }))
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { digest, depth } = next
      if (seen.has(digest)) continue
      seen.add(digest)
      yield digest
      if (depth === MAX_DEPTH || !this.#mayHaveChildren(digest)) continue
      waiting.push(...this.#childrenOf(digest).map(child => ({ digest: child, depth: depth + 1 })))
    }
  }

  #mayHaveChildren(digest: Digest): boolean {
    const listed = this.view.listed.get(digest)
    return listed === undefined || isIndexType(listed.mediaType)
  }

  #childrenOf(digest: Digest): readonly Digest[] {
    const known = this.#children.get(digest)
    if (known !== undefined) return known
    const found = this.#readChildren(digest)
    if (found === undefined) return []
    if (this.#children.size >= MAX_KNOWN) this.#children.clear()
    this.#children.set(digest, found)
    return found
  }

  // A failure is not remembered, since the index may be readable later.
  #readChildren(digest: Digest): readonly Digest[] | undefined {
    try {
      const document = parseManifest(this.layout.readBlob(digest))
      return document.kind === 'index' ? document.manifests.map(entry => entry.digest) : []
    } catch {
      return undefined
    }
  }
}

class LayoutRepositoryStorage implements RepositoryStorage {
  readonly name: string
  readonly uploads: string
  readonly #storage: LayoutStorage
  readonly #layout: Layout

  constructor(storage: LayoutStorage, name: string) {
    this.name = name
    // No name contains a "+", so no two names share a folder.
    this.uploads = path.join(storage.uploads, name.replaceAll('/', '+'))
    this.#storage = storage
    this.#layout = storage.layout
  }

  exists(): boolean {
    return this.#storage.view.tags(this.name).size > 0
  }

  tags(): string[] {
    return [...this.#storage.view.tags(this.name).keys()].sort()
  }

  resolve(tag: string): Digest | undefined {
    return this.#storage.view.resolve(this.name, tag)?.descriptor.digest
  }

  hasManifest(digest: Digest): boolean {
    if (this.blob(digest) === undefined) return false
    if (this.#storage.view.listed.has(digest)) return true
    for (const reached of this.#storage.reachable()) if (reached === digest) return true
    return false
  }

  async manifest(digest: Digest): Promise<Buffer> {
    return this.#layout.readBlob(digest)
  }

  manifests(): Iterable<Digest> {
    return this.#storage.reachable()
  }

  async putManifest({ digest, mediaType, bytes, children, tags }: NewManifest): Promise<void> {
    const descriptor = { mediaType, digest, size: bytes.length }
    this.#layout.putBytes(bytes, descriptor)
    if (tags.length === 0) {
      this.#layout.tag(descriptor)
      return
    }
    const { view } = this.#storage
    const refNames = tags.map(tag => view.refNameFor(this.name, tag))
    this.#layout.updateIndex(index =>
      refNames.reduce((named, refName) => withName(named, descriptor, { refName, children }), index),
    )
  }

  async deleteManifest(digest: Digest): Promise<boolean> {
    if (!this.hasManifest(digest)) return false
    const names = new Set<string | undefined>([undefined])
    for (const entries of this.#storage.view.tags(this.name).values()) {
      for (const { refName } of entries) names.add(refName)
    }
    let removed = 0
    this.#layout.updateIndex(index => {
      const isGone = (entry: StoredDescriptor): boolean =>
        entry.digest === digest && names.has(entry.annotations?.[REF_NAME])
      const manifests = index.manifests.filter(entry => !isGone(entry))
      removed = index.manifests.length - manifests.length
      return { ...index, manifests }
    })
    if (removed > 0) return true
    throw new ToolError(
      'UNSUPPORTED',
      `${digest} stays: it is part of an index, or another repository names it`,
    )
  }

  async deleteTag(tag: string): Promise<boolean> {
    const entry = this.#storage.view.resolve(this.name, tag)
    if (entry === undefined) return false
    this.#layout.updateIndex(index => withoutName(index, new Set([entry.refName])))
    return true
  }

  blob(digest: Digest): StoredFile | undefined {
    const file = this.#layout.blobPath(digest)
    const found = fs.lstatSync(file, { throwIfNoEntry: false })
    return found?.isFile() ? { file, size: found.size } : undefined
  }

  // An existing blob is replaced too, since it may be damaged, and this one was checked.
  async adoptBlob(digest: Digest, { file }: StoredFile): Promise<void> {
    const target = this.#layout.blobPath(digest)
    try {
      await fs.promises.mkdir(path.dirname(target), { recursive: true, mode: 0o755 })
      await fs.promises.rename(file, target)
      await syncFolder(path.dirname(target))
    } catch (error) {
      throw systemError(error, `write blob ${digest} into "${this.#layout.root}"`)
    }
  }

  async mountBlob(digest: Digest): Promise<boolean> {
    return this.blob(digest) !== undefined
  }

  async deleteBlob(digest: Digest): Promise<boolean> {
    throw new ToolError(
      'UNSUPPORTED',
      `blob ${digest} stays: other repositories of the layout, and other programs, may be using it`,
    )
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.promises.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
