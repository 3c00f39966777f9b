import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { algorithmOf, type Digest, Hasher, isDigest } from '@pipelayer/digest'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { type Download, download, type RetryOptions } from '@pipelayer/registry'
import type { Store } from '@pipelayer/store'

export interface HttpSourceOptions {
  readonly store: Store
  /** The environment, for proxies. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
  /** How often and how long a request is tried. */
  readonly retry?: Partial<RetryOptions> | undefined
  /** The digest that the file must have, of any known algorithm. */
  readonly checksum?: string | undefined
  readonly onWarning?: ((message: string) => void) | undefined
}

/** A file of the web that is in the store. */
export interface HttpFile {
  /** sha256. */
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** The path of the blob. */
  readonly path: string
  /** Seconds since 1970, as Last-Modified says; 0 if the server does not say. */
  readonly mtime: number
}

/** The largest size of a source, in bytes: 16 GiB. */
const MAX_BYTES = 16 * 1024 ** 3

/** What an address gave before. It is kept, so that the server is only asked whether that has changed. */
interface Remembered {
  readonly etag?: string
  readonly digest: string
  readonly size: number
  readonly mtime: number
  /** The digest of another algorithm that the file was compared with. */
  readonly checksum?: string
}

/**
 * Brings a file of the web into the store as a blob. If the address gave a file before, the server is asked whether its
 * ETag is still the same. If the file's checksum is given and known, the server is not asked at all.
 *
 * @throws {ToolError} `CHECKSUM_INVALID`, `CHECKSUM_MISMATCH`, `SIZE_INVALID`, and those of `download`
 */
export async function fetchHttp(address: string, options: HttpSourceOptions): Promise<HttpFile> {
  const { store, checksum, env, signal, retry, onWarning } = options
  if (checksum !== undefined && !isDigest(checksum))
    throw new ToolError('CHECKSUM_INVALID', `--checksum=${checksum}: expected a digest, as sha256:...`)
  const memory = new HttpMemory(store, address)
  const known = memory.read()
  if (known !== undefined && checksum !== undefined && [known.digest, known.checksum].includes(checksum))
    return fileOf(store, known)
  const etag = checksum === undefined ? known?.etag : undefined
  const found = await download(
    address,
    {
      env,
      signal,
      retry,
      headers: etag === undefined ? {} : { 'if-none-match': etag },
      onRetry: failure => onWarning?.(`${failure.message}; trying again`),
    },
    async answer => {
      // Some servers send the whole file again under the same ETag.
      const isSame = answer.status === 304 || (etag !== undefined && answer.header('etag') === etag)
      if (known === undefined || !isSame) return await take(address, answer, options)
      answer.body.cancel()
      return known
    },
  )
  memory.write(found)
  return fileOf(store, found)
}

/** The name of an address's file: the last part of its path, as in BuildKit's ADD. */
export function httpFileName(address: string): string {
  const parts = (URL.canParse(address) ? new URL(address).pathname : '').split('/')
  const name =
    decoded(parts.findLast(part => part !== '') ?? '')
      .split('/')
      .at(-1) ?? ''
  return ['', '.', '..'].includes(name) || name.includes('\0') ? '__unnamed__' : name
}

async function take(address: string, answer: Download, options: HttpSourceOptions): Promise<Remembered> {
  const { store, checksum } = options
  const writer = store.blobWriter()
  try {
    const hasher = checksum === undefined ? undefined : new Hasher(algorithmOf(checksum as Digest))
    for await (const chunk of answer.body) {
      writer.write(chunk)
      hasher?.update(chunk)
      if (writer.bytes > MAX_BYTES)
        throw new ToolError('SIZE_INVALID', `${shown(address)} has more than ${MAX_BYTES} bytes`)
    }
    const got = hasher?.digest()
    if (got !== checksum)
      throw new ToolError(
        'CHECKSUM_MISMATCH',
        `${shown(address)} is not what --checksum says: expected ${checksum}, got ${got}`,
      )
    const { digest, size } = writer.commit()
    const etag = answer.header('etag')
    const modified = Date.parse(answer.header('last-modified') ?? '')
    return {
      digest,
      size,
      mtime: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
      ...(etag === undefined ? {} : { etag }),
      ...(checksum === undefined ? {} : { checksum }),
    }
  } finally {
    writer.abort()
  }
}

function fileOf(store: Store, { digest, size, mtime }: Remembered): HttpFile {
  return { digest: digest as Digest, size, mtime, path: store.blobPath(digest as Digest) }
}

/**
 * The file `http/<hash of the address>.json` in the store. The address itself is not written, because it may hold a
 * signature.
 */
class HttpMemory {
  readonly #store: Store
  readonly #file: string

  constructor(store: Store, address: string) {
    this.#store = store
    this.#file = path.join(store.folder('http'), `${createHash('sha256').update(address).digest('hex')}.json`)
  }

  /** Undefined if nothing is known about the address, or if the blob is gone. */
  read(): Remembered | undefined {
    try {
      const found: unknown = JSON.parse(fs.readFileSync(this.#file, 'utf8'))
      if (!isRemembered(found) || !this.#store.hasBlob(found.digest as Digest, found.size)) return undefined
      this.#store.touch(this.#file)
      this.#store.touch(this.#store.blobPath(found.digest as Digest))
      return found
    } catch (error) {
      // A damaged note only means that the file is downloaded again.
      if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  write(found: Remembered): void {
    const temporary = `${this.#file}.${process.pid}`
    fs.mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 })
    fs.writeFileSync(temporary, JSON.stringify(found))
    fs.renameSync(temporary, this.#file)
  }
}

function isRemembered(value: unknown): value is Remembered {
  if (typeof value !== 'object' || value === null) return false
  const field = (name: string): unknown => Reflect.get(value, name)
  const { etag, checksum } = { etag: field('etag'), checksum: field('checksum') }
  return (
    isDigest(String(field('digest'))) &&
    Number.isSafeInteger(field('size')) &&
    Number.isSafeInteger(field('mtime')) &&
    (etag === undefined || typeof etag === 'string') &&
    (checksum === undefined || typeof checksum === 'string')
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** An address for messages, without credentials and query. */
export function shown(address: string): string {
  if (!URL.canParse(address)) return JSON.stringify(address.slice(0, 200))
  const url = new URL(address)
  return `${url.origin}${url.pathname}`
}
