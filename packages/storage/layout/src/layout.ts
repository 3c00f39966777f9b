import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { algorithmOf, type Digest, digestOf, encodedOf } from '@pipelayer/digest'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { makeFolder, openRegular, type RegularFile, readRegular } from '@pipelayer/sys'
import { BlobWriter, type ExpectedBlob, type StagedBlob, type StoredBlob } from './blob-writer.js'
import type { StoredDescriptor } from './descriptor.js'
import { replaceFile, syncDirectory, syncFiles } from './durable.js'
import {
  EMPTY_INDEX,
  entriesOf,
  type LayoutIndex,
  type NamedEntry,
  parseLayoutIndex,
  withEntries,
} from './index-file.js'
import { blobsBelow } from './listing.js'
import { withLock } from './lock.js'
import { PartialFolder } from './partial.js'
import { pinOf, proofOf } from './pinned.js'
import { holdsBytes, proveFile } from './proof.js'

/** The largest `index.json` that is read into memory: some 200,000 names. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024
/** The largest `oci-layout` that is read. It holds a version, which takes 31 bytes in most layouts. */
const MAX_MARK_BYTES = 64 * 1024
const READ_ONLY = new Set(['EACCES', 'EPERM', 'EROFS'])
const READ_CHUNK_BYTES = 1024 * 1024
/** The mode of folders: whatever the umask is, only the owner can replace files in them. */
const FOLDER_MODE = 0o755

/**
 * An OCI image layout: blobs by digest, and an index of names.
 *
 * Any number of our programs may write at the same time, and a power cut at any moment does no harm: a blob appears
 * under its digest only when it is complete, and `index.json` is replaced, never edited, under a lock on `oci-layout`.
 * Programs of others do not know that lock.
 *
 * Spec: image-spec v1.1, image-layout.md
 *
 * ```ts
 * const layout = Layout.open('image', { create: true })
 * const { digest, size } = layout.putBytes(manifest)
 * layout.tag({ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size }, 'example:1')
 * ```
 */
export class Layout {
  /** Absolute. */
  readonly root: string
  readonly #partial: PartialFolder

  protected constructor(root: string) {
    this.root = path.resolve(root)
    this.#partial = new PartialFolder(path.join(this.root, 'blobs', '.partial'))
  }

  /**
   * Opens the layout in `root`; with `create`, makes one where there is nothing or an empty directory.
   *
   * @throws {ToolError} `LAYOUT_MISSING` where there is none, `LAYOUT_INVALID` where something else is
   */
  static open(root: string, options: { readonly create?: boolean } = {}): Layout {
    const layout = new Layout(root)
    layout.prepare(options)
    return layout
  }

  protected prepare(options: { readonly create?: boolean }): void {
    if (this.#isLayout()) return
    if (!options.create)
      throw new ToolError('LAYOUT_MISSING', `no OCI layout in "${this.root}": it has no "oci-layout" file`)
    attempt(`make an OCI layout in "${this.root}"`, () => this.#create())
  }

  /** The path of a blob, which need not exist. @throws {ToolError} `DIGEST_INVALID` */
  blobPath(digest: Digest): string {
    return path.join(this.root, 'blobs', algorithmOf(digest), encodedOf(digest))
  }

  /** The path for a new blob; its folder is made. */
  placeOf(digest: Digest): string {
    const file = this.blobPath(digest)
    makeFolder(path.dirname(file), FOLDER_MODE)
    return file
  }

  /** True where the blob exists with that size. An empty file, as a power cut may leave it, does not count. */
  hasBlob(digest: Digest, sizeBytes?: number): boolean {
    const size = this.blobSize(digest)
    return size !== undefined && (sizeBytes === undefined || size === sizeBytes)
  }

  /** The size of a blob in bytes; undefined where it does not exist. */
  blobSize(digest: Digest): number | undefined {
    const found = fs.statSync(this.blobPath(digest), { throwIfNoEntry: false })
    return found?.isFile() === true ? found.size : undefined
  }

  /**
   * True where the blob exists and its bytes match its digest. All of them are read, at the speed of the hash.
   *
   * @throws {ToolError} the system's
   */
  async isIntact({ digest, size }: ExpectedBlob): Promise<boolean> {
    const found = await proveFile(this.blobPath(digest), digest)
    return found?.digest === digest && found.size === size
  }

  /** Begins to write a blob. It is not visible before its `commit`. */
  blobWriter(expected?: ExpectedBlob): BlobWriter {
    return attempt(`write a blob into "${this.root}"`, () => {
      const [temporary, fd] = this.#partial.create(
        'blob',
        name => [name, fs.openSync(name, 'wx', 0o600)] as const,
      )
      const place = (digest: Digest): string => this.placeOf(digest)
      const closed = (): void => this.#partial.tidy()
      return new BlobWriter({ temporary, fd, place, closed, ...(expected === undefined ? {} : { expected }) })
    })
  }

  /**
   * Publishes staged blobs with one flush for all. Where this is interrupted, some of them are published. @throws
   * {ToolError} the system's
   */
  publishStaged(blobs: readonly StagedBlob[]): void {
    attempt(`publish ${blobs.length} blobs in "${this.root}"`, () => {
      syncFiles(blobs.map(({ temporary }) => temporary))
      const folders = new Set<string>()
      for (const { digest, temporary } of blobs) {
        const place = this.placeOf(digest)
        fs.renameSync(temporary, place)
        folders.add(path.dirname(place))
      }
      for (const folder of folders) syncDirectory(folder)
    })
    this.#partial.tidy()
  }

  /** Removes staged blobs. */
  discardStaged(blobs: readonly StagedBlob[]): void {
    for (const { temporary } of blobs) fs.rmSync(temporary, { force: true })
    this.#partial.tidy()
  }

  /**
   * Writes a whole blob, and checks it against `expected` where given. Bytes in memory that the layout already has are
   * not written again.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`, or whatever `source` throws: nothing is published
   */
  async putBlob(
    source: Uint8Array | AsyncIterable<Uint8Array>,
    expected?: ExpectedBlob,
  ): Promise<StoredBlob> {
    if (source instanceof Uint8Array) return this.putBytes(source, expected)
    const writer = this.blobWriter(expected)
    try {
      for await (const chunk of source) writer.write(chunk)
      return writer.commit()
    } finally {
      writer.abort()
    }
  }

  /** As {@link putBlob}, for bytes in memory and synchronous. */
  putBytes(bytes: Uint8Array, expected?: ExpectedBlob): StoredBlob {
    const digest = digestOf(bytes)
    const stored = { digest, size: bytes.length, path: this.blobPath(digest) }
    const isWanted = expected === undefined || (expected.digest === digest && expected.size === bytes.length)
    // The content of the file is compared, not only its size, so that a damaged blob is replaced.
    if (isWanted && this.hasBlob(digest, bytes.length) && holdsBytes(stored.path, bytes)) return stored
    const writer = this.blobWriter(expected)
    try {
      writer.write(bytes)
      return writer.commit()
    } finally {
      writer.abort()
    }
  }

  /** A blob's bytes as a stream, unchecked: pass them through `verified`. @throws {ToolError} `BLOB_UNKNOWN`, `FILE_INVALID` */
  openBlob(digest: Digest): Readable {
    const { fd, size } = this.#openFile(digest)
    // A buffer is made for each stream. One that is larger than the file would only cost garbage collection.
    const highWaterMark = Math.min(READ_CHUNK_BYTES, size + 1)
    return fs.createReadStream('', { fd, highWaterMark })
  }

  /**
   * A document of at most 4 MiB, checked against its digest.
   *
   * @throws {ToolError} `BLOB_UNKNOWN`, `SIZE_INVALID` when it is larger, `DIGEST_MISMATCH` when it was damaged
   */
  readBlob(digest: Digest, limitBytes: number = MAX_DOCUMENT): Buffer {
    const { fd, size } = this.#openFile(digest)
    try {
      if (size > limitBytes)
        throw new ToolError(
          'SIZE_INVALID',
          `cannot read blob ${digest}: expected at most ${limitBytes} bytes, got ${size}`,
        )
      const bytes = fs.readFileSync(fd)
      const actual = digestOf(bytes, algorithmOf(digest))
      if (actual !== digest)
        throw new ToolError(
          'DIGEST_MISMATCH',
          `cannot use "${this.blobPath(digest)}": expected ${digest}, got ${actual}`,
        )
      return bytes
    } finally {
      fs.closeSync(fd)
    }
  }

  /** index.json as it is now. @throws {ToolError} `LAYOUT_INVALID`; `FILE_TOO_LARGE` above 64 MiB; `FILE_INVALID` */
  index(): LayoutIndex {
    const file = path.join(this.root, 'index.json')
    return parseLayoutIndex(
      attempt(`read "${file}"`, () => readRegular(file, MAX_INDEX_BYTES).toString('utf8')),
      file,
    )
  }

  /**
   * The entries of index.json that `name` (a reference name or a digest) stands for, without entries whose name pins
   * another digest: see {@link proofOf}.
   */
  resolve(name: string): StoredDescriptor[] {
    return entriesOf(this.index(), name).filter(({ digest }) => this.proofOf(name, digest) !== undefined)
  }

  /**
   * The indexes in the layout that prove that `name` stands for a manifest; undefined where it pins another one: see
   * `pinned.ts`.
   */
  proofOf(name: string, digest: string): readonly Digest[] | undefined {
    return proofOf(name, digest, index => this.readBlob(index))
  }

  /**
   * Refuses a name that pins another digest.
   *
   * @throws {ToolError} `DIGEST_MISMATCH`: give another name, or put the index of that digest first
   */
  checkName(name: string | undefined, digest: string): void {
    if (name === undefined || this.proofOf(name, digest) !== undefined) return
    const why = `the name pins ${pinOf(name)}, and no index of that digest is there that lists it`
    throw new ToolError('DIGEST_MISMATCH', `cannot name ${digest} "${name}" in "${this.root}": ${why}`)
  }

  /**
   * Lists `descriptor` in index.json, under `name` where given; an entry that had the name loses it. This is the last
   * step of publishing an image, whose blobs must exist. It is atomic and idempotent.
   *
   * @throws {ToolError} `DIGEST_MISMATCH` for a name that pins another digest
   */
  tag(descriptor: StoredDescriptor, name?: string): void {
    this.tagAll([{ descriptor, name }])
  }

  /** As {@link tag}, for many images in one step. */
  tagAll(entries: readonly NamedEntry[]): void {
    for (const { name, descriptor } of entries) this.checkName(name, descriptor.digest)
    if (entries.length > 0) this.updateIndex(index => withEntries(index, entries))
  }

  /** Every blob of the layout, in byte order of the digests. @throws {ToolError} the system's */
  blobs(): Generator<ExpectedBlob, void, undefined> {
    return blobsBelow(path.join(this.root, 'blobs'))
  }

  /**
   * Replaces index.json by the result of `change`, under the lock; `change` may be called twice. Nothing is written
   * when nothing changes, so that a read-only layout suffices in that case.
   */
  updateIndex(change: (index: LayoutIndex) => LayoutIndex): void {
    try {
      attempt(`update the index of "${this.root}"`, () =>
        withLock(path.join(this.root, 'oci-layout'), () => {
          const after = this.#changed(change)
          if (after !== undefined) this.#writeDocument('index.json', after)
        }),
      )
    } catch (error) {
      // The lock cannot be taken in a read-only layout.
      const isReadOnly = error instanceof ToolError && READ_ONLY.has(error.code)
      if (!isReadOnly || this.#changed(change) !== undefined) throw error
    }
  }

  #changed(change: (index: LayoutIndex) => LayoutIndex): LayoutIndex | undefined {
    const before = this.index()
    const after = change(before)
    return JSON.stringify(after) === JSON.stringify(before) ? undefined : after
  }

  #openFile(digest: Digest): RegularFile {
    try {
      return openRegular(this.blobPath(digest))
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in "${this.root}"`, { cause: error })
    }
  }

  #isLayout(): boolean {
    const file = path.join(this.root, 'oci-layout')
    let text: string
    try {
      text = readRegular(file, MAX_MARK_BYTES).toString('utf8')
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      return attempt(`read "${file}"`, () => {
        throw error
      })
    }
    if (!/"imageLayoutVersion"\s*:\s*"1\./.test(text))
      throw new ToolError(
        'LAYOUT_INVALID',
        `cannot use "${file}": expected imageLayoutVersion 1, got ${JSON.stringify(text.slice(0, 80))}`,
      )
    return true
  }

  #create(): void {
    makeFolder(this.root, FOLDER_MODE)
    const foreign = fs
      .readdirSync(this.root)
      .find(name => !['blobs', 'index.json', 'oci-layout'].includes(name))
    // Another process may have completed the layout meanwhile, and begun to use it.
    if (foreign !== undefined && !this.#isLayout())
      throw new ToolError(
        'LAYOUT_INVALID',
        `cannot make an OCI layout in "${this.root}": it holds "${foreign}" already`,
      )
    makeFolder(path.join(this.root, 'blobs', 'sha256'), FOLDER_MODE)
    // The index is written before `oci-layout`, which makes the folder a layout. Another process may be doing the same
    // at this moment.
    if (!fs.existsSync(path.join(this.root, 'index.json'))) this.#writeNew('index.json', EMPTY_INDEX)
    this.#writeNew('oci-layout', { imageLayoutVersion: '1.0.0' })
  }

  /** Writes a document only where there is none, so that the first writer wins. */
  #writeNew(name: string, document: object): void {
    const temporary = this.#partial.create(name, file => {
      fs.writeFileSync(file, JSON.stringify(document), { flag: 'wx', mode: 0o644 })
      return file
    })
    try {
      fs.linkSync(temporary, path.join(this.root, name))
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    } finally {
      fs.rmSync(temporary, { force: true })
      this.#partial.tidy()
    }
  }

  #writeDocument(name: string, document: object): void {
    const text = JSON.stringify(document)
    this.#partial.create(name, temporary => replaceFile(path.join(this.root, name), temporary, text))
    this.#partial.tidy()
  }
}
