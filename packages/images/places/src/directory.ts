/**
 * `dir:DIR`: one image as files of a folder, in the form of skopeo's `dir:`.
 *
 * ```
 * version               "Directory Transport Version: 1.1"
 * manifest.json         the manifest or the index
 * HEX.manifest.json     a manifest of the index
 * HEX                   a config or a layer
 * ```
 *
 * Spec: containers-transports(5), dir.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { algorithmOf, digestOf, encodedOf } from '@pipelayer/digest'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import { BlobWriter, proveFile, replaceFile, withLock } from '@pipelayer/layout'
import { type Descriptor, isDocument, MAX_DOCUMENT, parseManifest } from '@pipelayer/oci'
import { isOrphan, openRegular, ownedName, readRegular } from '@pipelayer/sys'
import type {
  OpenBlob,
  Place,
  PlacedManifest,
  PlaceOptions,
  PlaceReader,
  PlaceWriter,
  Published,
} from './place.js'

const VERSION = 'Directory Transport Version: 1.1\n'
const VERSION_1 = /^Directory Transport Version: 1\./
const MAX_VERSION = 256
const MANIFEST = 'manifest.json'
const TEMPORARY = '.partial-'
const CHUNK = 1024 * 1024

/** The folder is read, or made, when something is first asked of the place. */
export function openDirectory(rest: string, options: Pick<PlaceOptions, 'verify'> = {}): Place {
  if (rest === '') throw new ToolError('PLACE_INVALID', 'invalid place "dir:": expected dir:DIR')
  const root = path.resolve(rest)
  const place = new DirectoryPlace(root, options)
  return {
    traits: { isLocal: true, isStore: false, isStaged: false, isSerial: false },
    text: `dir:${root}`,
    read: place,
    write: place,
    close: async () => undefined,
  }
}

class DirectoryPlace implements PlaceReader, PlaceWriter {
  readonly #root: string
  readonly #verify: boolean
  /** The files of the image that is written. */
  readonly #needed = new Set(['version', MANIFEST])
  #isPrepared = false

  constructor(root: string, { verify = false }: Pick<PlaceOptions, 'verify'>) {
    this.#root = root
    this.#verify = verify
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `DIGEST_MISMATCH`; `FILE_INVALID`, `FILE_TOO_LARGE`; those of `parseManifest` */
  async resolve(digest?: string): Promise<PlacedManifest> {
    const root = this.#document(MANIFEST)
    const own = root && digestOf(root, digest === undefined ? 'sha256' : algorithmOf(digest))
    const isOwn = digest === undefined || digest === own
    const bytes = isOwn ? root : this.#document(manifestName(digest))
    if (bytes === undefined) {
      const what = digest === undefined ? 'image' : `manifest ${digest}`
      throw new ToolError('MANIFEST_UNKNOWN', `there is no ${what} in dir:${this.#root}`)
    }
    const found = isOwn ? (own ?? '') : digestOf(bytes, algorithmOf(digest))
    if (digest !== undefined && found !== digest)
      throw new ToolError(
        'DIGEST_MISMATCH',
        `cannot use "${manifestName(digest)}": expected ${digest}, got ${found}`,
      )
    const document = parseManifest(bytes)
    return {
      descriptor: { mediaType: document.mediaType, digest: found, size: bytes.length },
      bytes,
      document,
    }
  }

  async blobSize(digest: string): Promise<number | undefined> {
    return sizeOf(this.#path(encodedOf(digest)))
  }

  /** @throws ToolError `BLOB_UNKNOWN`, `FILE_INVALID` */
  async *blob({ digest }: Descriptor): AsyncGenerator<Buffer, void, undefined> {
    const stream = fs.createReadStream('', { fd: this.#open(digest), highWaterMark: CHUNK })
    for await (const chunk of stream) yield chunk as Buffer
  }

  async hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#has(encodedOf(descriptor.digest), descriptor)
  }

  async hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.#has(manifestName(descriptor.digest), descriptor)
  }

  async putBlob(descriptor: Descriptor, open: OpenBlob): Promise<void> {
    await this.#put(encodedOf(descriptor.digest), descriptor, open())
  }

  async putManifest({ descriptor, bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    await this.#put(manifestName(descriptor.digest), descriptor, once(bytes))
  }

  /**
   * Until `manifest.json` is replaced, the folder has the image that it had before. What the new one does not need is
   * removed then. Another program may do the same at this moment, so this is done under a lock, and what that program
   * has removed is missed.
   *
   * @throws ToolError `DIRECTORY_CHANGED`, status 75; those of the system
   */
  async publish({ bytes }: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    this.#prepare()
    attempt(`write "${this.#path(MANIFEST)}"`, () =>
      withLock(this.#path('version'), () => {
        const gone = [...this.#needed].find(name => name !== MANIFEST && !fs.existsSync(this.#path(name)))
        if (gone !== undefined) {
          const why = `another program has put an image there meanwhile, and "${gone}" is gone: run this again`
          throw new ToolError('DIRECTORY_CHANGED', `cannot write an image into "${this.#root}": ${why}`, {
            status: 75,
          })
        }
        replaceFile(this.#path(MANIFEST), this.#temporary(), bytes)
        for (const name of fs.readdirSync(this.#root)) if (this.#isUnneeded(name)) fs.rmSync(this.#path(name))
      }),
    )
    return { place: `dir:${this.#root}` }
  }

  async #has(name: string, { digest, size, mediaType }: Descriptor): Promise<boolean> {
    if (sizeOf(this.#path(name)) !== size) return false
    if (this.#verify || isDocument({ size, mediaType })) {
      if ((await proveFile(this.#path(name), digest))?.digest !== digest) return false
    }
    // Whoever asks for a blob that is there does not put it.
    this.#needed.add(name)
    return true
  }

  async #put(name: string, expected: Descriptor, source: AsyncIterable<Uint8Array>): Promise<void> {
    this.#prepare()
    const temporary = this.#temporary()
    const fd = attempt(`write into "${this.#root}"`, () => fs.openSync(temporary, 'wx', 0o644))
    const place = (): string => this.#path(name)
    const writer = new BlobWriter({ temporary, fd, expected, place, closed: () => {} })
    try {
      for await (const chunk of source) writer.write(chunk)
      writer.commit()
      this.#needed.add(name)
    } finally {
      writer.abort()
    }
  }

  /** @throws ToolError `DIRECTORY_FOREIGN`: there is something else in the folder; those of the system */
  #prepare(): void {
    if (this.#isPrepared) return
    attempt(`make "${this.#root}"`, () => {
      fs.mkdirSync(this.#root, { recursive: true, mode: 0o755 })
      const names = fs.readdirSync(this.#root)
      for (const name of names.filter(isLeftOver)) fs.rmSync(this.#path(name), { force: true })
      const isForeign = names.some(name => !name.startsWith(TEMPORARY)) && !this.#isOurs()
      if (isForeign)
        throw new ToolError(
          'DIRECTORY_FOREIGN',
          `cannot write an image into "${this.#root}": it is not empty, and holds no image of dir:`,
        )
      if (!names.includes('version')) replaceFile(this.#path('version'), this.#temporary(), VERSION)
    })
    this.#isPrepared = true
  }

  #isOurs(): boolean {
    try {
      return VERSION_1.test(readRegular(this.#path('version'), MAX_VERSION).toString('latin1'))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof ToolError) return false
      throw error
    }
  }

  #isUnneeded(name: string): boolean {
    return /^[0-9a-f]{32,}(\.manifest\.json)?$|^signature-\d+$/.test(name) && !this.#needed.has(name)
  }

  #document(name: string): Buffer | undefined {
    const file = this.#path(name)
    try {
      return readRegular(file, MAX_DOCUMENT)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      return attempt(`read "${file}"`, () => {
        throw error
      })
    }
  }

  #open(digest: string): number {
    const file = this.#path(encodedOf(digest))
    try {
      return openRegular(file).fd
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
      throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in dir:${this.#root}`, { cause: error })
    }
  }

  #temporary(): string {
    return this.#path(ownedName(TEMPORARY, randomBytes(6).toString('hex')))
  }

  #path(name: string): string {
    return path.join(this.#root, name)
  }
}

function manifestName(digest: string): string {
  return `${encodedOf(digest)}.manifest.json`
}

function isLeftOver(name: string): boolean {
  return name.startsWith(TEMPORARY) && isOrphan(name)
}

function sizeOf(file: string): number | undefined {
  try {
    const found = fs.statSync(file)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
