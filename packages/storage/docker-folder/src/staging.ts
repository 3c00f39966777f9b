import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { encodedOf } from '@pipelayer/digest'
import { attempt } from '@pipelayer/errors'
import { BlobWriter } from '@pipelayer/layout'
import type { Descriptor } from '@pipelayer/oci'
import { isOrphan, ownedName } from '@pipelayer/sys'
import { fileBytes, namesIn } from './files.js'
import type { FolderPaths } from './paths.js'

/** The beginning of the names of folders in `layerdb/tmp`, as the engine begins them. */
export const UNFINISHED = 'write-set'
const PREFIX = '.pipelayer'

/**
 * The folder for what is not published yet, on the file system of the layers. The engine passes over it, since nothing
 * names it. What a killed process left is removed by the next one.
 */
export class Staging {
  readonly #dir: string
  readonly #sizes = new Map<string, number>()
  #layers = 0

  private constructor(dir: string) {
    this.#dir = dir
  }

  static create({ trees, unfinishedLayers }: FolderPaths): Staging {
    return attempt(`write into "${trees}"`, () => {
      sweep(trees, PREFIX)
      sweep(unfinishedLayers, UNFINISHED)
      const dir = path.join(trees, ownedName(PREFIX, randomBytes(6).toString('hex')))
      fs.mkdirSync(dir, { mode: 0o700 })
      return new Staging(dir)
    })
  }

  close(): void {
    fs.rmSync(this.#dir, { recursive: true, force: true })
  }

  has({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): boolean {
    return this.#sizes.get(digest) === size
  }

  /** Keeps a blob for the images of this run. @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH` */
  async put(expected: Descriptor, source: AsyncIterable<Buffer>): Promise<void> {
    const { digest, size } = expected
    const temporary = this.#path(`${encodedOf(digest)}.partial`)
    const fd = attempt(`write into "${this.#dir}"`, () => fs.openSync(temporary, 'w', 0o600))
    const writer = new BlobWriter({
      temporary,
      fd,
      expected,
      place: () => this.#blob(digest),
      closed: () => {},
    })
    try {
      for await (const chunk of source) writer.write(chunk)
      fs.renameSync(writer.stage().temporary, this.#blob(digest))
      this.#sizes.set(digest, size)
    } finally {
      writer.abort()
    }
  }

  /** The bytes of a blob that was put. */
  bytes(digest: string): AsyncIterable<Buffer> {
    return fileBytes(this.#blob(digest))
  }

  /** A new folder, for a layer. */
  layer(): string {
    const dir = this.#path(`layer-${this.#layers++}`)
    attempt(`write into "${this.#dir}"`, () => {
      fs.mkdirSync(dir)
      // Whatever the umask is, the engine's containers must get to the files.
      fs.chmodSync(dir, 0o710)
    })
    return dir
  }

  #blob(digest: string): string {
    return this.#path(encodedOf(digest))
  }

  #path(name: string): string {
    return path.join(this.#dir, name)
  }
}

function sweep(folder: string, prefix: string): void {
  for (const name of namesIn(folder))
    if (name.startsWith(prefix) && isOrphan(name))
      fs.rmSync(path.join(folder, name), { recursive: true, force: true })
}
